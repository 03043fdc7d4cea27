package io.heddle.tests;

import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.tensor.DType;
import java.util.List;

/** The table of {@link ConformanceTest}. */
final class ConformanceCases {
  /** How exact an output must be; see {@link ConformanceTest}. */
  enum Exactness {
    EXACT,
    ROUND,
    SUM
  }

  /** How a tensor lies in its buffer. */
  enum Place {
    /** Without gaps between its elements, at an odd offset. */
    PACKED,
    /** A slice of a larger tensor in its first and last dimension. */
    SLICED,
    /**
     * The same of four dimensions, with the second inside the third: the heads of a token side by
     * side, as in a packed product.
     */
    HEADS
  }

  /** One tensor of a call; {@code values} are its content before the call, for outputs too. */
  @SuppressWarnings("ArrayRecordComponent") // held, never compared
  record Arg(DType dtype, Place place, double[] values, long... shape) {}

  /**
   * One call.
   *
   * @param terms how many terms the longest sum of the op has
   * @param args null for an absent tensor
   */
  record Case(
      OpCode op,
      String options,
      DType dtype,
      Params params,
      Exactness exactness,
      long terms,
      List<Arg> args) {
    @Override
    public String toString() {
      return op.opName() + " " + options + " " + dtype;
    }
  }

  static final int[] SIZES = {0, 1, 15, 16, 17, 63, 64, 65, 127, 131};

  private ConformanceCases() {}

  static List<Case> all() {
    CaseMaker.Collected to = new CaseMaker.Collected();
    RowCases rows = new RowCases(to);
    ElementCases elements = new ElementCases(to);
    MergingCases merging = new MergingCases(to);
    AttentionCases attention = new AttentionCases(to);
    RecurrentCases recurrent = new RecurrentCases(to);
    VectorCases vectors = new VectorCases(to);
    for (DType dtype : List.of(DType.F32, DType.BF16)) {
      for (int size : SIZES) {
        rows.rows(dtype, size);
        elements.elements(dtype, size);
        if (size > 0) {
          merging.merging(dtype, size);
        }
      }
      rows.rows(dtype, 1031);
      attention.attention(dtype);
      attention.steps(dtype);
      elements.reductions(dtype);
      for (int features : new int[] {1, 15, 16, 17, 65, 131}) {
        for (boolean lstm : new boolean[] {true, false}) {
          recurrent.recurrent(dtype, lstm, features, true);
          recurrent.recurrent(dtype, lstm, features, false);
        }
      }
    }
    for (int size : SIZES) {
      vectors.vectors(size);
      attention.lists(size);
    }
    return to.cases;
  }
}
