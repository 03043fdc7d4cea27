package io.heddle.op;

import io.heddle.autograd.Tape;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * The rows of a time-major batch [T*N, F] that end at different steps: what keeps recurrent layers
 * from what lies beyond a row's end. One object serves the layers of one pass.
 */
public final class Ragged {
  // Gates this far out are shut, or open, to the last bit.
  private static final float WIDE = 1e4f;

  private final Tape t;
  private final int[] lengths;
  private final int rows;
  private final int steps;
  private @Nullable Tensor turned;
  private @Nullable Tensor ends;
  private @Nullable Tensor inside;

  /**
   * Rows.
   *
   * @param lengths steps of each row, 1 to T
   * @param steps T
   */
  public Ragged(Tape t, int[] lengths, long steps) {
    this.t = t;
    this.lengths = lengths.clone();
    this.rows = lengths.length;
    this.steps = Math.toIntExact(steps);
    for (int row = 0; row < rows; row++) {
      if (lengths[row] < 1 || lengths[row] > steps) {
        throw new IllegalArgumentException(
            "row %d of a recurrent layer has the length %d; it takes 1 to %d"
                .formatted(row, lengths[row], steps));
      }
    }
  }

  /** Steps of each row. */
  int[] lengths() {
    return lengths.clone();
  }

  /**
   * {@code y[i] = x[ids[i]]}: x [M,F], ids i32 [N], [N,F]; unlike a table's, x is an activation.
   */
  public static Tensor picked(Tape t, Tensor x, Tensor ids) {
    Tensor y = t.tensor(x.dtype(), ids.dim(0), x.dim(1));
    t.run(OpCode.EMBEDDING_FWD, new Params.Embedding(0), x, ids, y);
    if (t.wants(x)) {
      t.record(
          () -> {
            Tensor dy = t.gradient(y);
            if (dy != null) {
              Tensor dx = t.tensor(x.dtype(), x.shape());
              t.run(OpCode.EMBEDDING_BWD, new Params.Embedding(0), dy, ids, dx);
              t.give(x, dx);
            }
          },
          y);
    }
    return y;
  }

  /** Every row from its own last step to the first; what lies beyond stays where it is. */
  public Tensor turned(Tensor x) {
    Tensor known = turned;
    if (known == null) {
      int[] ids = new int[steps * rows];
      Arrays.setAll(ids, i -> (i / rows < lengths[i % rows] ? turned(i) : i));
      known = t.tensor(DType.I32, ids.length).copyFrom(ids);
      turned = known;
    }
    Tensor ids = known;
    Params none = new Params.Embedding(0);
    // Turned twice is as before: the gradient goes the same way.
    return Layers.symmetric(t, x, (from, to) -> t.run(OpCode.EMBEDDING_FWD, none, from, ids, to));
  }

  private int turned(int i) {
    return (lengths[i % rows] - 1 - i / rows) * rows + i % rows;
  }

  /** Zeros beyond each row's end. */
  public Tensor cut(Tensor x) {
    return Sequences.weighted(t, x, inside(x.dtype()));
  }

  private Tensor inside(DType dtype) {
    Tensor known = inside;
    if (known == null) {
      float[] ones = new float[steps * rows];
      for (int i = 0; i < ones.length; i++) {
        ones[i] = i / rows < lengths[i % rows] ? 1 : 0;
      }
      known = t.tensor(dtype, ones.length).copyFrom(ones);
      inside = known;
    }
    return known;
  }

  /** Each row's last step, [N, F]. */
  public Tensor last(Tensor x) {
    Tensor known = ends;
    if (known == null) {
      int[] ids = new int[rows];
      Arrays.setAll(ids, row -> (lengths[row] - 1) * rows + row);
      known = t.tensor(DType.I32, rows).copyFrom(ids);
      ends = known;
    }
    return picked(t, x, known);
  }

  /**
   * An LSTM's gates that leave the cell as it is beyond each row's end: nothing comes in, nothing
   * is forgotten.
   *
   * @param gates [T*N, 4F], in the order of torch
   */
  public Tensor holding(Tensor gates) {
    Tensor open = cut(gates);
    float[] added = new float[steps * rows * 4];
    for (int i = 0; i < steps * rows; i++) {
      if (i / rows >= lengths[i % rows]) {
        added[4 * i] = -WIDE;
        added[4 * i + 1] = WIDE;
      }
    }
    long[] all = {gates.dim(0), 4, gates.dim(1) / 4};
    Tensor spread = t.tensor(gates.dtype(), gates.dim(0), 4, 1).copyFrom(added).expand(all);
    Params plus = new Params.Binary(0, 1, 1);
    Tensor y = t.tensor(gates.dtype(), gates.shape());
    t.run(OpCode.BINARY, plus, open.view(all), spread, y.view(all));
    if (t.wants(open)) {
      t.record(
          () -> {
            Tensor dy = t.gradient(y);
            if (dy != null) {
              Tensor dx = t.tensor(dy.dtype(), dy.shape());
              t.run(OpCode.COPY, new Params.None(), dy, dx);
              t.give(open, dx);
            }
          },
          y);
    }
    return y;
  }
}
