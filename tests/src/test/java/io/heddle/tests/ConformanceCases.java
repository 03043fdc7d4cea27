package io.heddle.tests;

import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.op.pattern.AttentionPattern;
import io.heddle.op.pattern.BlockLayout;
import io.heddle.op.pattern.Patterns;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;

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

  private static final int[] SIZES = {0, 1, 15, 16, 17, 63, 64, 65, 127, 131};

  private final List<Case> cases = new ArrayList<>();
  private long seed;

  private ConformanceCases() {}

  static List<Case> all() {
    ConformanceCases c = new ConformanceCases();
    for (DType dtype : List.of(DType.F32, DType.BF16)) {
      for (int size : SIZES) {
        c.rows(dtype, size);
        c.elements(dtype, size);
      }
      c.rows(dtype, 1031);
      c.attention(dtype);
      c.reductions(dtype);
      for (int features : new int[] {1, 15, 16, 17, 65, 131}) {
        for (boolean lstm : new boolean[] {true, false}) {
          c.recurrent(dtype, lstm, features, true);
          c.recurrent(dtype, lstm, features, false);
        }
      }
    }
    for (int size : SIZES) {
      c.vectors(size);
      c.lists(size);
    }
    return c.cases;
  }

  private void add(
      OpCode op,
      String options,
      DType dtype,
      Params params,
      Exactness exactness,
      long terms,
      Arg... args) {
    cases.add(new Case(op, options, dtype, params, exactness, terms, Arrays.asList(args)));
  }

  private static int size(long... shape) {
    long n = 1;
    for (long d : shape) {
      n *= d;
    }
    return (int) n;
  }

  // Inputs that the dtype holds exactly enough: put rounds them alike for every backend.
  private Arg in(DType dtype, long... shape) {
    return new Arg(dtype, Place.SLICED, Lab.normal(++seed, size(shape)), shape);
  }

  private Arg packed(DType dtype, long... shape) {
    return new Arg(dtype, Place.PACKED, Lab.normal(++seed, size(shape)), shape);
  }

  private Arg positive(DType dtype, long... shape) {
    return new Arg(
        dtype,
        Place.SLICED,
        Arrays.stream(Lab.normal(++seed, size(shape))).map(x -> 0.1 + Math.abs(x)).toArray(),
        shape);
  }

  private static Arg out(DType dtype, long... shape) {
    return new Arg(dtype, Place.SLICED, filled(size(shape), -77), shape);
  }

  private Arg heads(DType dtype, long... shape) {
    return new Arg(dtype, Place.HEADS, Lab.normal(++seed, size(shape)), shape);
  }

  private static Arg emptyHeads(DType dtype, long... shape) {
    return new Arg(dtype, Place.HEADS, filled(size(shape), -77), shape);
  }

  private static Arg ints(int[] values, long... shape) {
    return new Arg(
        DType.I32, Place.PACKED, Arrays.stream(values).asDoubleStream().toArray(), shape);
  }

  /** As {@link ConformanceTest} takes them: the lower half of each, then the upper. */
  private static Arg longs(long[] values, long... shape) {
    double[] halves = new double[2 * values.length];
    for (int i = 0; i < values.length; i++) {
      halves[2 * i] = (int) values[i];
      halves[2 * i + 1] = (int) (values[i] >> 32);
    }
    return new Arg(DType.I64, Place.PACKED, halves, shape);
  }

  // Block lists of a window in blocks, and of all keys so far, over two rows of documents.
  private void lists(int size) {
    double[] halves = {40, 0, 0, 0, 50, 0, 1, 0, -1, -1, 0, 0, -1, -1, 0, 0};
    int[] ids = new int[2 * size];
    Arrays.setAll(ids, i -> i / (i < size ? 29 : 70));
    long blocks = (size + 63L) / 64;
    long entries = 4 * blocks * blocks;
    add(
        OpCode.BLOCK_LISTS,
        "documents " + size,
        DType.F32,
        new Params.BlockLists(size, size),
        Exactness.EXACT,
        1,
        new Arg(DType.I64, Place.PACKED, halves, 2, 4),
        ints(ids, 2, size),
        ints(new int[(int) (4 * (blocks + 1))], 2, 2, blocks + 1),
        ints(new int[(int) (2 * entries)], entries, 2),
        ints(new int[(int) (4 * (blocks + 1))], 2, 2, blocks + 1),
        ints(new int[(int) (2 * entries)], entries, 2),
        new Arg(DType.I64, Place.PACKED, new double[0], entries + 1, 64));
  }

  private static double[] filled(int n, double value) {
    double[] all = new double[n];
    Arrays.fill(all, value);
    return all;
  }

  // Ops over rows of n features.
  private void rows(DType t, int n) {
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
    Arrays.setAll(y.values, i -> Math.abs(y.values[i]) / n);
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
      return lab.get(lab.put(arg.dtype, arg.values, arg.shape));
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

  // Ops over elements: n of them in each of r rows, with n = 0 allowed.
  private void elements(DType t, int n) {
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
    Arg v = packed(DType.F32, n);
    Arrays.setAll(v.values, i -> 0.01 + v.values[i] * v.values[i]);
    Arg master = packed(DType.F32, n);
    Arg param = new Arg(t, Place.PACKED, t == DType.F32 ? packed(t, n).values : master.values, n);
    add(
        OpCode.ADAMW,
        "" + n,
        t,
        adamw,
        Exactness.SUM,
        1,
        packed(t, n),
        n % 2 == 0 ? factor : null,
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
    Arrays.setAll(bytes.values, i -> (i * 37 + 11) % 256);
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
    merging(t, n);
  }

  // Checkpoint arithmetic: every backend must have the bits of the reference.
  private void merging(DType t, int n) {
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

  private void reductions(DType t) {
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

  // Few enough examples for one thread, the only number of threads for which the ops promise bits.
  private void vectors(int d) {
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

  /** What to attend to, and how. */
  private record Spec(
      String name,
      int b,
      int heads,
      int kvHeads,
      int queries,
      int keys,
      int d,
      Consumer<Options> options) {}

  private static final class Options {
    List<List<AttentionPattern>> patterns;
    int[] headGroup;
    boolean slopes;
    float softcap;
    float dropout;

    void pattern(AttentionPattern pattern) {
      patterns = List.of(List.of(pattern));
    }
  }

  private static List<Spec> specs() {
    List<Spec> all = new ArrayList<>();
    for (int n : SIZES) {
      if (n > 0) {
        all.add(new Spec("full", 1, 2, 2, n, n, 16, o -> {}));
        all.add(new Spec("causal", 1, 2, 1, n, n, 32, o -> o.pattern(Patterns.causal())));
      }
    }
    for (int d : new int[] {1, 15, 16, 17, 63, 64, 65, 127, 128}) {
      all.add(new Spec("causal head size", 1, 2, 2, 33, 33, d, o -> o.pattern(Patterns.causal())));
    }
    all.add(new Spec("window", 2, 2, 2, 200, 200, 24, o -> o.pattern(Patterns.window(20, 0))));
    all.add(
        new Spec(
            "two-sided window", 1, 2, 2, 131, 131, 24, o -> o.pattern(Patterns.window(70, 9))));
    all.add(new Spec("dilated", 1, 2, 2, 150, 150, 16, o -> o.pattern(Patterns.dilated(90, 3))));
    all.add(
        new Spec(
            "block-local",
            1,
            2,
            2,
            130,
            130,
            16,
            o -> o.pattern(Patterns.block(50, 1).and(Patterns.causal()))));
    all.add(
        new Spec(
            "global",
            1,
            2,
            2,
            131,
            131,
            16,
            o -> o.pattern(Patterns.global(3).or(Patterns.window(9, 9)))));
    all.add(
        new Spec(
            "groups of heads",
            2,
            6,
            3,
            97,
            97,
            16,
            o -> {
              o.patterns =
                  List.of(
                      List.of(Patterns.causal(), Patterns.window(8, 0), Patterns.dilated(64, 4)));
              o.headGroup = new int[] {0, 1, 2, 2, 1, 0};
            }));
    all.add(
        new Spec(
            "documents",
            2,
            4,
            2,
            100,
            100,
            16,
            o -> {
              int[] first = new int[100];
              int[] second = new int[100];
              for (int i = 0; i < 100; i++) {
                first[i] = i / 30;
                second[i] = i < 77 ? 0 : i;
              }
              o.patterns =
                  List.of(
                      List.of(Patterns.documents(first).and(Patterns.causal())),
                      List.of(Patterns.documents(second).and(Patterns.causal())));
            }));
    all.add(new Spec("one query", 2, 4, 2, 1, 131, 64, o -> o.pattern(Patterns.causal())));
    all.add(new Spec("fewer queries", 1, 4, 1, 17, 127, 16, o -> o.pattern(Patterns.causal())));
    all.add(
        new Spec(
            "more queries, empty rows", 1, 2, 2, 127, 65, 16, o -> o.pattern(Patterns.causal())));
    all.add(new Spec("nothing seen", 1, 2, 2, 65, 65, 16, o -> o.pattern(Patterns.length(0))));
    all.add(new Spec("padding", 1, 2, 2, 65, 65, 16, o -> o.pattern(Patterns.length(40))));
    all.add(
        new Spec(
            "alibi",
            1,
            4,
            4,
            65,
            100,
            16,
            o -> {
              o.pattern(Patterns.causal());
              o.slopes = true;
            }));
    all.add(new Spec("alibi, all keys", 1, 4, 2, 65, 65, 16, o -> o.slopes = true));
    all.add(
        new Spec(
            "softcap",
            1,
            2,
            2,
            65,
            65,
            16,
            o -> {
              o.pattern(Patterns.causal());
              o.softcap = 1.5f;
            }));
    all.add(
        new Spec(
            "dropout",
            2,
            2,
            2,
            97,
            97,
            16,
            o -> {
              o.pattern(Patterns.causal());
              o.dropout = 0.4f;
            }));
    all.add(new Spec("dropout, all keys", 1, 4, 2, 65, 67, 16, o -> o.dropout = 0.25f));
    all.add(
        new Spec(
            "everything",
            2,
            4,
            2,
            70,
            131,
            16,
            o -> {
              o.patterns =
                  List.of(
                      List.of(Patterns.causal(), Patterns.window(30, 30)),
                      List.of(Patterns.dilated(100, 2), Patterns.global(4).and(Patterns.causal())));
              o.headGroup = new int[] {0, 1, 1, 0};
              o.slopes = true;
              o.softcap = 3;
              o.dropout = 0.1f;
            }));
    return all;
  }

  private void attention(DType t) {
    for (Spec spec : specs()) {
      Options o = new Options();
      spec.options.accept(o);
      attention(t, spec, o);
    }
  }

  // q, k and v lie as transposed views of a packed product.
  private void attention(DType t, Spec s, Options o) {
    String options =
        s.name + " " + s.b + "x" + s.heads + "/" + s.kvHeads + "x" + s.queries + "x" + s.keys + "x"
            + s.d;
    Params params = new Params.Attention(11, 5, (float) (1 / Math.sqrt(s.d)), o.softcap, o.dropout);
    Arg q = heads(t, s.b, s.heads, s.queries, s.d);
    Arg k = heads(t, s.b, s.kvHeads, s.keys, s.d);
    Arg v = heads(t, s.b, s.kvHeads, s.keys, s.d);
    Arg[] l = new Arg[6];
    try (Lab lab = new Lab("reference")) {
      Tensor[] lists = new Tensor[6];
      if (o.patterns != null) {
        int[] headGroup = o.headGroup == null ? new int[s.heads] : o.headGroup;
        BlockLayout.Tensors x =
            lab.layout(BlockLayout.compile(o.patterns, headGroup, s.queries, s.keys));
        lists =
            new Tensor[] {
              x.rowPtr(), x.rowBlocks(), x.colPtr(), x.colBlocks(), x.masks(), x.headGroup()
            };
        for (int i = 0; i < 6; i++) {
          l[i] =
              i == 4
                  ? null
                  : new Arg(lists[i].dtype(), Place.PACKED, lists[i].toDoubles(), lists[i].shape());
        }
        l[4] = masks(lists[4]);
      }
      Arg slopes =
          o.slopes
              ? new Arg(DType.F32, Place.PACKED, new double[] {0.5, 0.25, 0.125, 0.0625}, 4)
              : null;
      long[] lseShape = {s.b, s.heads, s.queries};
      add(
          OpCode.ATTENTION_FWD,
          options,
          t,
          params,
          Exactness.SUM,
          s.keys,
          q,
          k,
          v,
          l[0],
          l[1],
          l[4],
          l[5],
          slopes,
          emptyHeads(t, q.shape),
          s.queries % 2 == 0 && !s.name.equals("everything") ? null : out(DType.F32, lseShape));
      // The backward op gets what the reference's forward op gives.
      Tensor output = lab.out(t, q.shape);
      Tensor lse = lab.out(DType.F32, lseShape);
      lab.run(
          OpCode.ATTENTION_FWD,
          params,
          lab.put(t, q.values, q.shape),
          lab.put(t, k.values, k.shape),
          lab.put(t, v.values, v.shape),
          lists[0],
          lists[1],
          lists[4],
          lists[5],
          slopes == null ? null : lab.put(DType.F32, slopes.values, 4),
          output,
          lse);
      add(
          OpCode.ATTENTION_BWD,
          options,
          t,
          params,
          Exactness.SUM,
          Math.max(s.keys, s.queries) * (long) (s.heads / s.kvHeads),
          q,
          k,
          v,
          new Arg(t, Place.HEADS, output.toDoubles(), q.shape),
          new Arg(DType.F32, Place.PACKED, lse.toDoubles(), lseShape),
          heads(t, q.shape),
          l[0],
          l[1],
          l[2],
          l[3],
          l[4],
          l[5],
          slopes,
          emptyHeads(t, q.shape),
          emptyHeads(t, k.shape),
          emptyHeads(t, k.shape));
    }
  }

  // As if from sigmoids, so that nothing grows from step to step.
  private Arg shares(DType t, long... shape) {
    double[] x = Lab.normal(++seed, size(shape));
    Arrays.setAll(x, i -> 1 / (1 + Math.exp(-x[i])));
    return new Arg(t, Place.SLICED, x, shape);
  }

  private Arg weights(DType t, long rows, long features) {
    double[] x = Lab.normal(++seed, size(rows, features));
    Arrays.setAll(x, i -> x[i] / Math.sqrt((double) features));
    return new Arg(t, Place.SLICED, x, rows, features);
  }

  private void recurrent(DType t, boolean lstm, int n, boolean all) {
    long steps = 4;
    long rows = n % 11;
    long wide = (lstm ? 4L : 3L) * n;
    Params params = new Params.Recurrent(lstm ? 0 : 1, n % 2 == 0 ? 1 : 0);
    String options = (lstm ? "lstm " : "gru ") + rows + "x" + n + (all ? " all" : " bare");
    add(
        OpCode.RECURRENT_FWD,
        options,
        t,
        params,
        Exactness.SUM,
        n,
        in(t, steps, rows, wide),
        weights(t, wide, n),
        all ? packed(t, wide) : null,
        all ? in(t, rows, n) : null,
        all && lstm ? in(t, rows, n) : null,
        out(t, steps, rows, n),
        out(t, steps, rows, 4L * n),
        lstm ? out(t, steps, rows, n) : null);
    add(
        OpCode.RECURRENT_BWD,
        options,
        t,
        params,
        Exactness.SUM,
        wide,
        in(t, steps, rows, n),
        all ? in(t, rows, n) : null,
        all && lstm ? in(t, rows, n) : null,
        weights(t, wide, n),
        shares(t, steps, rows, 4L * n),
        in(t, steps, rows, n),
        all ? in(t, rows, n) : null,
        lstm ? in(t, steps, rows, n) : null,
        all && lstm ? in(t, rows, n) : null,
        out(t, steps, rows, wide),
        lstm ? null : out(t, steps, rows, wide),
        all ? out(t, rows, n) : null,
        all && lstm ? out(t, rows, n) : null);
  }

  // 64-bit words do not fit a double: two halves travel, and the test joins them.
  private static Arg masks(Tensor masks) {
    double[] halves = new double[(int) masks.size() * 2];
    for (int i = 0; i < halves.length; i++) {
      halves[i] = masks.segment().getAtIndex(java.lang.foreign.ValueLayout.JAVA_INT, i);
    }
    return new Arg(DType.I64, Place.PACKED, halves, masks.shape());
  }
}
