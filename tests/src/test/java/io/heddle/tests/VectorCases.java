package io.heddle.tests;

import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.tensor.DType;
import io.heddle.tests.ConformanceCases.Exactness;
import java.util.Arrays;

/** Word vectors. */
final class VectorCases extends CaseMaker {
  VectorCases(Collected to) {
    super(to);
  }

  // Few enough examples for one thread, the only number of threads for which the ops promise bits.
  void vectors(int d) {
    int words = 11;
    for (int each : new int[] {0, 1, 5, 9}) { // negatives
      int[] rowPtr = {0, 3, 3, 4, 8, 9}; // the second example has no rows, the last no targets
      int[] targetPtr = {0, 2, 3, 7, 8, 8};
      int[] rows = {4, 9, 4, 0, 1, 2, 3, 10, 5};
      int[] targets = {1, 2, 3, 4, 4, 5, 0, 6};
      int[] negatives = new int[targets.length * each];
      for (int i = 0; i < negatives.length; i++) {
        negatives[i] = i % 4 == 3 ? -1 : (i * i + 1) % 7; // some rows twice
      }
      add(
          OpCode.WORD_VECTORS,
          d + " numbers, " + each + " negatives",
          DType.F32,
          new Params.WordVectors(0.05f),
          Exactness.SUM,
          8L * (d + each),
          ints(rowPtr, rowPtr.length),
          ints(rows, rows.length),
          ints(targetPtr, targetPtr.length),
          ints(targets, targets.length),
          ints(negatives, targets.length, each),
          in(DType.F32, words, d),
          in(DType.F32, 7, d),
          each == 1 ? null : out(DType.F32, rowPtr.length - 1));
    }
    int entries = 21;
    int[] row = new int[entries];
    int[] column = new int[entries];
    Arrays.setAll(row, i -> i * 3 % words);
    Arrays.setAll(column, i -> i * 5 % 7);
    add(
        OpCode.GLOVE,
        d + " numbers",
        DType.F32,
        new Params.Glove(0.05f, 1.2f, 0.75f),
        Exactness.SUM,
        4L * (d + 1),
        ints(row, entries),
        ints(column, entries),
        positive(DType.F32, entries),
        in(DType.F32, words, d + 1),
        in(DType.F32, 7, d + 1),
        positive(DType.F32, words, d + 1),
        positive(DType.F32, 7, d + 1),
        d == 1 ? null : out(DType.F32, entries));
  }
}
