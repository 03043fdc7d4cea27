package io.heddle.tests;

import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.tensor.DType;
import io.heddle.tests.ConformanceCases.Arg;
import io.heddle.tests.ConformanceCases.Exactness;
import io.heddle.tests.ConformanceCases.Place;

/** Checkpoint arithmetic. */
final class MergingCases extends CaseMaker {
  MergingCases(Collected to) {
    super(to);
  }

  // Checkpoint arithmetic: every backend must have the bits of the reference.
  void merging(DType t, int n) {
    for (boolean based : new boolean[] {true, false}) {
      String options = n + (based ? " with a base" : " without a base");
      Arg base = based ? packed(t, n) : null;
      Arg[] sources = {packed(t, n), packed(DType.F32, n), packed(DType.F64, n)};
      Arg y = new Arg(DType.F64, Place.PACKED, filled(6, -77), 6);
      add(
          OpCode.INNER_PRODUCTS,
          options,
          t,
          Lab.NONE,
          Exactness.EXACT,
          1,
          base,
          sources[0],
          sources[1],
          sources[2],
          y);
      long[] ranks = {0, n / 3, n, n - 1, n / 2, n / 7};
      Arg cuts = new Arg(DType.F64, Place.PACKED, filled(12, -77), 3, 2, 2);
      add(
          OpCode.MAGNITUDE_CUTS,
          options,
          t,
          Lab.NONE,
          Exactness.EXACT,
          1,
          base,
          longs(ranks, 3, 2),
          sources[0],
          sources[1],
          sources[2],
          cuts);
    }
    double[] limits = {0, 0, 1, 9, 0.5, 40, 2, 7, 0.25, 3, Double.POSITIVE_INFINITY, 0};
    for (int form = 0; form < 8; form++) {
      boolean cut = form % 2 == 0;
      boolean random = form / 2 % 2 == 0;
      add(
          OpCode.SPARSE_COMBINATION,
          n + " form " + form,
          t,
          new Params.SparseCombination(4L * form, 0.7, form / 4, form % 3 == 0 ? 1 : 0, form % 2),
          Exactness.EXACT,
          1,
          packed(t, n),
          new Arg(DType.F64, Place.PACKED, new double[] {0.3, -1.25, 0.7}, 3),
          cut ? new Arg(DType.F64, Place.PACKED, limits, 3, 2, 2) : null,
          random ? longs(new long[] {7, -9, 1L << 40}, 3) : null,
          random ? new Arg(DType.F64, Place.PACKED, new double[] {0.5, 0.3, 1}, 3) : null,
          packed(t, n),
          packed(form == 5 ? DType.F32 : t, n),
          packed(t, n),
          new Arg(t, Place.PACKED, filled(n, -77), n));
    }
  }
}
