package io.heddle.tests;

import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.tensor.DType;
import io.heddle.tests.ConformanceCases.Arg;
import io.heddle.tests.ConformanceCases.Exactness;
import io.heddle.tests.ConformanceCases.Place;
import java.util.Arrays;

/** Ops over rows: norms, activations, softmax, losses, tables and what else knows rows. */
final class RowCases extends CaseMaker {
  RowCases(Collected to) {
    super(to);
  }

  // Ops over rows of n features.
  void rows(DType t, int n) {
    if (n == 0) {
      return; // a row has features; rows of zero number are in elements()
    }
    long r = n > 1000 ? 3 : 17;
    String size = r + "x" + n;
    for (int kind = 0; kind < 2; kind++) {
      for (boolean all : new boolean[] {true, false}) {
        String options =
            (kind == 0 ? "layer " : "rms ") + size + (all ? " residual bias" : " bare");
        Params params = new Params.Norm(kind, 1e-3f, all ? 1 : 0, 0);
        Arg mean = kind == 0 ? out(DType.F32, r) : null;
        add(
            OpCode.NORM_FWD,
            options,
            t,
            params,
            Exactness.SUM,
            n,
            in(t, r, n),
            all ? in(t, r, n) : null,
            in(t, n),
            all ? in(t, n) : null,
            out(t, r, n),
            all ? out(t, r, n) : null,
            mean,
            out(DType.F32, r));
        Arg s = in(t, r, n);
        double[][] statistics = statistics(rounded(s), (int) r, n, kind == 1, 1e-3);
        Arg meanIn = kind == 0 ? new Arg(DType.F32, Place.PACKED, statistics[0], r) : null;
        Arg rstd = new Arg(DType.F32, Place.PACKED, statistics[1], r);
        add(
            OpCode.NORM_BWD,
            options,
            t,
            params,
            Exactness.SUM,
            Math.max(n, r),
            in(t, r, n),
            all ? in(t, r, n) : null,
            s,
            in(t, n),
            meanIn,
            rstd,
            out(t, r, n),
            out(DType.F32, n),
            all ? out(t, n) : null);
        add(
            OpCode.NORM_BWD,
            options + " accumulate",
            t,
            new Params.Norm(kind, 1e-3f, 0, 1),
            Exactness.SUM,
            Math.max(n, r),
            in(t, r, n),
            null,
            s,
            in(t, n),
            meanIn,
            rstd,
            out(t, r, n),
            in(DType.F32, n),
            in(DType.F32, n));
      }
    }
    for (int kind = 0; kind < 7; kind++) {
      Params params = new Params.Activation(kind, 0);
      String options = "kind " + kind + " " + size;
      Arg bias = kind % 2 == 0 ? in(t, n) : null;
      Arg bias2 = kind % 2 == 0 ? in(t, 2L * n) : null;
      add(
          OpCode.BIAS_ACT_FWD,
          options,
          t,
          params,
          Exactness.SUM,
          1,
          in(t, r, n),
          bias,
          out(t, r, n));
      add(
          OpCode.BIAS_ACT_BWD,
          options,
          t,
          params,
          Exactness.SUM,
          r,
          in(t, r, n),
          in(t, r, n),
          bias,
          out(t, r, n),
          bias == null ? null : out(DType.F32, n));
      add(
          OpCode.GLU_FWD,
          options,
          t,
          params,
          Exactness.SUM,
          1,
          in(t, r, 2L * n),
          bias2,
          out(t, r, n));
      add(
          OpCode.GLU_BWD,
          options,
          t,
          params,
          Exactness.SUM,
          r,
          in(t, r, n),
          in(t, r, 2L * n),
          bias2,
          out(t, r, 2L * n),
          bias2 == null ? null : out(t, 2L * n));
    }
    add(
        OpCode.BIAS_ACT_BWD,
        "accumulate " + size,
        t,
        new Params.Activation(2, 1),
        Exactness.SUM,
        r,
        in(t, r, n),
        in(t, r, n),
        in(t, n),
        out(t, r, n),
        in(DType.F32, n));
    add(OpCode.SOFTMAX_FWD, size, t, Lab.NONE, Exactness.SUM, n, in(t, r, n), out(t, r, n));
    Arg y = in(t, r, n);
    Arrays.setAll(y.values(), i -> Math.abs(y.values()[i]) / n);
    add(OpCode.SOFTMAX_BWD, size, t, Lab.NONE, Exactness.SUM, n, in(t, r, n), y, out(t, r, n));
    int[] targets = new int[(int) r];
    int[] ids = new int[(int) r];
    for (int i = 0; i < r; i++) {
      targets[i] = i % 5 == 3 ? -100 : (i * 7) % n;
      ids[i] = (i * i) % 5;
    }
    for (float smoothing : new float[] {0, 0.125f}) {
      add(
          OpCode.CROSS_ENTROPY,
          "smoothing " + smoothing + " " + size,
          t,
          new Params.CrossEntropy(-100, smoothing, 0.25f),
          Exactness.SUM,
          n,
          in(t, r, n),
          ints(targets, r),
          out(DType.F32, r),
          smoothing > 0 || n % 2 == 0 ? out(t, r, n) : null);
    }
    add(
        OpCode.EMBEDDING_FWD,
        size,
        t,
        new Params.Embedding(0),
        Exactness.EXACT,
        1,
        in(t, 5, n),
        ints(ids, r),
        out(t, r, n));
    int[] numbers = new int[5 * n];
    Arrays.setAll(numbers, i -> i * 1_234_567);
    add(
        OpCode.EMBEDDING_FWD,
        "of whole numbers " + size,
        t,
        new Params.Embedding(0),
        Exactness.EXACT,
        1,
        ints(numbers, 5, n),
        ints(ids, r),
        out(DType.I32, r, n));
    add(OpCode.ARGMAX, size, t, Lab.NONE, Exactness.EXACT, 1, in(t, r, n), out(DType.I32, r));
    add(
        OpCode.EMBEDDING_BWD,
        size,
        t,
        new Params.Embedding(0),
        Exactness.SUM,
        r,
        in(t, r, n),
        ints(ids, r),
        out(DType.F32, 5, n));
    add(
        OpCode.EMBEDDING_BWD,
        "accumulate " + size,
        t,
        new Params.Embedding(1),
        Exactness.SUM,
        r,
        in(t, r, n),
        ints(ids, r),
        in(DType.F32, 5, n));
    if (n % 2 == 0 || n == 1) {
      return;
    }
    for (int interleaved = 0; interleaved < 2; interleaved++) {
      int half = Math.max(1, n / 4);
      double[] frequency = new double[half];
      Arrays.setAll(frequency, i -> Math.pow(10000, -i / (double) half));
      Arg inv = new Arg(DType.F32, Place.PACKED, frequency, half);
      int[] positions = {5, 0, 131071, 77, 5, 8};
      add(
          OpCode.ROTARY,
          "interleaved " + interleaved + " batched " + n,
          t,
          new Params.Rotary(interleaved, 0, 1.25f),
          Exactness.SUM,
          2,
          in(t, 2, 3, 3, n),
          ints(positions, 2, 3),
          inv,
          out(t, 2, 3, 3, n));
      add(
          OpCode.ROTARY,
          "inverse interleaved " + interleaved + " " + n,
          t,
          new Params.Rotary(interleaved, 1, 1),
          Exactness.SUM,
          2,
          heads(t, 2, 3, 6, n),
          ints(positions, 6),
          inv,
          emptyHeads(t, 2, 3, 6, n));
    }
  }

  private static double[] rounded(Arg arg) {
    try (Lab lab = new Lab("reference")) {
      return lab.get(lab.put(arg.dtype(), arg.values(), arg.shape()));
    }
  }

  private static double[][] statistics(double[] s, int rows, int n, boolean rms, double eps) {
    double[][] out = new double[2][rows];
    for (int i = 0; i < rows; i++) {
      double[] row = Arrays.copyOfRange(s, i * n, (i + 1) * n);
      double mean = rms ? 0 : Arrays.stream(row).average().orElse(0);
      out[0][i] = mean;
      out[1][i] =
          1
              / Math.sqrt(
                  Arrays.stream(row).map(x -> (x - mean) * (x - mean)).average().orElse(0) + eps);
    }
    return out;
  }
}
