package io.heddle.tests;

import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.tensor.DType;
import io.heddle.tests.ConformanceCases.Arg;
import io.heddle.tests.ConformanceCases.Exactness;
import io.heddle.tests.ConformanceCases.Place;
import java.util.Arrays;

/** Ops over elements, and reductions. */
final class ElementCases extends CaseMaker {
  ElementCases(Collected to) {
    super(to);
  }

  // Ops over elements: n of them in each of r rows, with n = 0 allowed.
  void elements(DType t, int n) {
    long r = 3;
    String size = r + "x" + n;
    add(OpCode.COPY, size, t, Lab.NONE, Exactness.EXACT, 1, in(t, r, n), out(t, r, n));
    add(
        OpCode.COPY,
        "to f32 " + size,
        t,
        Lab.NONE,
        Exactness.EXACT,
        1,
        in(t, r, n),
        out(DType.F32, r, n));
    add(
        OpCode.COPY,
        "from f32 " + size,
        t,
        Lab.NONE,
        Exactness.EXACT,
        1,
        in(DType.F32, r, n),
        out(t, r, n));
    add(
        OpCode.COPY,
        "to f16 " + size,
        t,
        Lab.NONE,
        Exactness.EXACT,
        1,
        in(t, r, n),
        out(DType.F16, r, n));
    add(
        OpCode.DROPOUT,
        size,
        t,
        new Params.Dropout(42, 1L << 40, 0.3f),
        Exactness.ROUND,
        1,
        in(t, r, n),
        n % 2 == 0 ? null : longs(new long[] {1L << 33}, 1),
        out(t, r, n));
    for (int kind = 0; kind < 6; kind++) {
      add(
          OpCode.BINARY,
          "kind " + kind + " " + size,
          t,
          new Params.Binary(kind, 0.5f, 1.5f),
          Exactness.SUM,
          1,
          in(t, r, n),
          positive(t, r, n),
          out(t, r, n));
    }
    for (int kind = 0; kind < 10; kind++) {
      add(
          OpCode.UNARY,
          "kind " + kind + " " + size,
          t,
          new Params.Unary(kind, 0.75f, 0.25f),
          Exactness.SUM,
          1,
          positive(t, r, n),
          out(t, r, n));
    }
    add(
        OpCode.SUM_SQUARES,
        size,
        t,
        Lab.NONE,
        Exactness.SUM,
        r * n,
        in(t, r, n),
        out(DType.F32, 1));
    if (n == 0) {
      add(OpCode.SOFTMAX_FWD, "0x16", t, Lab.NONE, Exactness.SUM, 1, in(t, 0, 16), out(t, 0, 16));
      add(
          OpCode.NORM_FWD,
          "rms 0x16",
          t,
          new Params.Norm(1, 1e-3f, 0, 0),
          Exactness.SUM,
          1,
          in(t, 0, 16),
          null,
          in(t, 16),
          null,
          out(t, 0, 16),
          null,
          null,
          out(DType.F32, 0));
      add(
          OpCode.BIAS_ACT_BWD,
          "0x16",
          t,
          new Params.Activation(1, 0),
          Exactness.SUM,
          1,
          in(t, 0, 16),
          in(t, 0, 16),
          in(t, 16),
          out(t, 0, 16),
          out(DType.F32, 16));
      return;
    }
    Params adamw = new Params.Adamw(0.01f, 0.9f, 0.95f, 1e-8f, 0.1f, 0.19f, 0.0975f);
    Arg factor = new Arg(DType.F32, Place.PACKED, new double[] {0.5}, 1);
    Arg rates = new Arg(DType.F32, Place.PACKED, new double[] {0.99, 0.02, 3}, 3);
    Arg v = packed(DType.F32, n);
    Arrays.setAll(v.values(), i -> 0.01 + v.values()[i] * v.values()[i]);
    Arg master = packed(DType.F32, n);
    Arg param =
        new Arg(t, Place.PACKED, t == DType.F32 ? packed(t, n).values() : master.values(), n);
    add(
        OpCode.ADAMW,
        "" + n,
        t,
        adamw,
        Exactness.SUM,
        1,
        packed(t, n),
        n % 2 == 0 ? factor : null,
        n % 3 == 0 ? rates : null,
        param,
        packed(DType.F32, n),
        v,
        t == DType.F32 ? null : master);
    Arg squares = positive(DType.F32, n);
    for (float bound : new float[] {0.5f, 1e6f, 0}) {
      add(
          OpCode.CLIP_FACTOR,
          n + " bound " + bound,
          DType.F32,
          new Params.Clip(bound),
          Exactness.SUM,
          n,
          squares,
          out(DType.F32, 1),
          out(DType.F32, 1));
    }
    Arg bytes = new Arg(DType.U8, Place.SLICED, new double[7 * n], 7, n);
    Arrays.setAll(bytes.values(), i -> (i * 37 + 11) % 256);
    for (int rows : new int[] {1, 5}) {
      add(
          OpCode.LINEAR_INT8,
          rows + "x" + n,
          t,
          Lab.NONE,
          Exactness.SUM,
          n,
          in(t, rows, n),
          bytes,
          positive(DType.F32, 7),
          n % 2 == 0 ? null : packed(t, 7),
          out(t, rows, 7));
    }
    Arg weights = new Arg(DType.F64, Place.PACKED, new double[] {0.3, -1.25, 0.7}, 3);
    Arg target = new Arg(t, Place.PACKED, filled(n, -77), n);
    add(
        OpCode.LINEAR_COMBINATION,
        "base " + n,
        t,
        Lab.NONE,
        Exactness.SUM,
        1,
        packed(t, n),
        weights,
        packed(t, n),
        packed(DType.F32, n),
        packed(DType.BF16, n),
        target);
    add(
        OpCode.LINEAR_COMBINATION,
        "no base " + n,
        t,
        Lab.NONE,
        Exactness.SUM,
        1,
        null,
        weights,
        packed(t, n),
        packed(t, n),
        packed(t, n),
        target);
    Arg zero = new Arg(DType.F64, Place.PACKED, new double[] {0}, 1);
    add(
        OpCode.LINEAR_COMBINATION,
        "weight 0 " + n,
        t,
        Lab.NONE,
        Exactness.EXACT,
        1,
        packed(t, n),
        zero,
        packed(t, n),
        target);
  }

  void reductions(DType t) {
    for (int kind = 0; kind < 3; kind++) {
      for (long[] to :
          new long[][] {
            {1, 1, 1},
            {17, 1, 1},
            {1, 9, 1},
            {1, 1, 65},
            {17, 9, 1},
            {1, 9, 65},
            {17, 1, 65},
            {17, 9, 65}
          }) {
        String options = "kind " + kind + " to " + Arrays.toString(to);
        add(
            OpCode.REDUCE,
            options,
            t,
            new Params.Reduce(kind, 0),
            Exactness.SUM,
            17 * 9 * 65,
            in(t, 17, 9, 65),
            out(DType.F32, to));
        add(
            OpCode.REDUCE,
            options + " like x",
            t,
            new Params.Reduce(kind, 0),
            Exactness.SUM,
            17 * 9 * 65,
            in(t, 17, 9, 65),
            out(t, to));
        if (kind < 2) {
          add(
              OpCode.REDUCE,
              options + " accumulate",
              t,
              new Params.Reduce(kind, 1),
              Exactness.SUM,
              17 * 9 * 65,
              in(t, 17, 9, 65),
              in(DType.F32, to));
        }
      }
    }
  }
}
