package io.heddle.tests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.backend.BackendOptions;
import io.heddle.backend.Backends;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Matrix products of every backend against the reference, on the same rounded operands, which lie
 * in larger buffers. The bound is that of {@link ConformanceTest}: 1e-5 sqrt(K) of the largest
 * entry in f32; a result of 16 bits is rounded once more.
 */
@NeedsNative
class MatmulTest {
  /** How an operand lies in memory. */
  private enum Lie {
    PACKED,
    TURNED,
    PADDED, // rows with a gap after them
    SHIFTED, // an odd number of elements into the buffer, odd row stride
    TURNED_SHIFTED,
    ONE_FOR_ALL, // batch stride 0
    HEADS // [B, T, H, D] seen as [B*H.., T, D]: the batch is not the outermost stride
  }

  private record Case(
      DType ab,
      DType out,
      long batch, // 0: no batch dimension
      long m,
      long n,
      long k,
      Lie a,
      Lie b,
      Lie c,
      boolean bias,
      float alpha,
      float beta) {
    static Case of(
        DType[] types,
        long batch,
        long[] size,
        Lie a,
        Lie b,
        Lie c,
        boolean bias,
        float alpha,
        float beta) {
      return new Case(
          types[0], types[1], batch, size[0], size[1], size[2], a, b, c, bias, alpha, beta);
    }

    boolean batched() {
      return batch > 0;
    }
  }

  static Stream<String> backends() {
    return BackendsUnderTest.namesAndFar().filter(name -> !name.equals("reference"));
  }

  private static List<Case> cases() {
    List<Case> all = new ArrayList<>();
    long[][] sizes = {
      {1, 1, 1},
      {1, 7, 5},
      {7, 1, 5},
      {5, 3, 1},
      {17, 31, 13},
      {64, 64, 64},
      {65, 127, 129},
      {128, 96, 256},
      {3, 257, 100},
      {200, 2, 33}
    };
    for (DType[] t :
        new DType[][] {
          {DType.F32, DType.F32},
          {DType.BF16, DType.BF16},
          {DType.BF16, DType.F32},
          {DType.F16, DType.F16},
          {DType.F16, DType.F32}
        }) {
      for (long[] s : sizes) {
        for (Lie a : List.of(Lie.PACKED, Lie.TURNED)) {
          for (Lie b : List.of(Lie.PACKED, Lie.TURNED)) {
            all.add(Case.of(t, 0, s, a, b, Lie.PACKED, false, 1, 0));
          }
        }
        all.add(Case.of(t, 0, s, Lie.PACKED, Lie.TURNED, Lie.PADDED, true, 1, 0));
        all.add(Case.of(t, 0, s, Lie.PADDED, Lie.PADDED, Lie.SHIFTED, true, 1, 1));
        all.add(Case.of(t, 0, s, Lie.SHIFTED, Lie.TURNED_SHIFTED, Lie.SHIFTED, true, 0.5f, -2));
        all.add(Case.of(t, 3, s, Lie.PACKED, Lie.TURNED, Lie.PACKED, false, 1, 1));
        all.add(Case.of(t, 3, s, Lie.ONE_FOR_ALL, Lie.PACKED, Lie.PADDED, false, -1.5f, 0));
        all.add(Case.of(t, 4, s, Lie.HEADS, Lie.ONE_FOR_ALL, Lie.HEADS, true, 1, 0));
      }
      // Large and odd in all sizes: a library's fast kernels want multiples of eight.
      if (t[0] != DType.F16) {
        long[] odd = {1031, 1027, 1035};
        all.add(Case.of(t, 0, odd, Lie.TURNED, Lie.PACKED, Lie.PADDED, true, 0.5f, -2));
      }
      // A large second operand: the CPU packs it in f32, from few rows on where its rows are dense.
      if (t[0] == DType.F32) {
        long[] few = {24, 1031, 517};
        all.add(Case.of(t, 0, few, Lie.PACKED, Lie.PACKED, Lie.PACKED, false, 1, 0));
        all.add(Case.of(t, 0, few, Lie.TURNED, Lie.SHIFTED, Lie.PADDED, true, 1, 0));
        all.add(Case.of(t, 0, few, Lie.TURNED_SHIFTED, Lie.PADDED, Lie.SHIFTED, true, 0.5f, -2));
        all.add(Case.of(t, 0, few, Lie.SHIFTED, Lie.PACKED, Lie.PADDED, false, -1.5f, 1));
        long[] many = {520, 1031, 517};
        all.add(Case.of(t, 0, many, Lie.PADDED, Lie.TURNED, Lie.SHIFTED, true, 1, 1));
        all.add(Case.of(t, 0, many, Lie.TURNED, Lie.TURNED_SHIFTED, Lie.PACKED, false, 0.5f, 0));
      }
      // Sizes of 0: nothing to write, or a sum of no products.
      for (long[] s : new long[][] {{0, 5, 4}, {5, 0, 4}, {4, 6, 0}}) {
        for (float beta : new float[] {0, 1, -0.5f}) {
          for (boolean bias : new boolean[] {false, true}) {
            all.add(Case.of(t, 0, s, Lie.PACKED, Lie.PACKED, Lie.PADDED, bias, 1, beta));
          }
        }
      }
    }
    return all;
  }

  @ParameterizedTest
  @MethodSource("backends")
  void agreesWithTheReference(String name) {
    List<String> wrong = new ArrayList<>();
    List<Case> cases = cases();
    try (Lab reference = new Lab("reference");
        Lab lab = new Lab(Backends.open(name, new BackendOptions(0, 1)))) {
      for (Case c : cases) {
        try {
          compare(c, run(c, reference), run(c, lab));
        } catch (UnsupportedOperationException e) {
          // oneDNN has products of f16 on few CPUs.
          if (c.ab != DType.F16 || name.equals("cuda")) {
            wrong.add(c + ": " + e);
          }
        } catch (AssertionError | RuntimeException e) {
          wrong.add(c + ": " + e);
        }
      }
    }
    assertTrue(
        wrong.isEmpty(),
        () -> wrong.size() + " of " + cases.size() + " cases:\n" + String.join("\n", wrong));
  }

  private static void compare(Case c, double[] expected, double[] actual) {
    double sums = 1e-5 * Math.sqrt((double) Math.max(1, c.k));
    Lab.close("c", expected, actual, c.out == DType.F32 ? sums : 7.9e-3 + sums, 1e-2);
  }

  private static double[] run(Case c, Lab lab) {
    Tensor a = operand(lab, 1, c.ab, c.a, c, c.m, c.k);
    Tensor b = operand(lab, 2, c.ab, c.b, c, c.k, c.n);
    Tensor into = operand(lab, 3, c.out, c.c, c, c.m, c.n);
    Tensor bias = c.bias ? vector(lab, c) : null;
    Tensor whole = Tensor.of(into.storage(), 0, c.out, into.storage().bytes() / c.out.bytes());
    double[] before = whole.toDoubles();
    lab.backend.matmul(a, b, bias, into, c.alpha, c.beta);
    double[] result = into.toDoubles();
    double[] after = whole.toDoubles();
    // What lies between and around the rows of c is nobody's to write: put the result where it
    // belongs in the old content, and the whole must be what is there now.
    whole.copyFrom(before);
    into.copyFrom(result);
    assertArrayEquals(whole.toDoubles(), after, c + " on " + lab.backend.name() + ": around c");
    return result;
  }

  private static Tensor vector(Lab lab, Case c) {
    double[] values = Lab.normal(4, c.n + 1);
    return lab.put(c.out, values, c.n + 1).slice(0, 1, c.n + 1); // not aligned to more than itself
  }

  // A matrix of [rows, columns] or a batch of them, in a buffer of random numbers.
  private static Tensor operand(
      Lab lab, long seed, DType dtype, Lie lie, Case c, long rows, long columns) {
    long batch = Math.max(c.batch, 1);
    boolean turned = lie == Lie.TURNED || lie == Lie.TURNED_SHIFTED;
    long r = turned ? columns : rows;
    long k = turned ? rows : columns;
    long gap =
        switch (lie) {
          case PADDED -> 8;
          case SHIFTED, TURNED_SHIFTED -> 1 + (k & 1); // an even width gets an odd stride
          default -> 0;
        };
    long[] shape = {r, k + gap};
    if (c.batched()) {
      shape =
          lie == Lie.HEADS
              ? new long[] {r, batch, k}
              : new long[] {lie == Lie.ONE_FOR_ALL ? 1 : batch, r, k + gap};
    }
    Tensor whole =
        lab.put(
            dtype, Lab.normal(seed, Arrays.stream(shape).reduce(1, Math::multiplyExact)), shape);
    Tensor view = c.batched() && lie == Lie.HEADS ? whole.transpose(0, 1) : whole;
    boolean shifted = lie == Lie.SHIFTED || lie == Lie.TURNED_SHIFTED;
    view = view.slice(-1, shifted ? 1 : 0, shifted ? k + 1 : k);
    if (c.batched() && lie == Lie.ONE_FOR_ALL) {
      view = view.expand(batch, r, k);
    }
    return turned ? view.transpose(-2, -1) : view;
  }

  @ParameterizedTest
  @MethodSource("backends")
  void wrongOperandsAreNamed(String name) {
    try (Lab lab = new Lab(name)) {
      Tensor a = lab.out(DType.F32, 3, 4).named("left");
      Tensor b = lab.out(DType.F32, 4, 5);
      Tensor c = lab.out(DType.F32, 3, 5);
      List<Runnable> calls =
          List.of(
              () -> lab.backend.matmul(a, a, null, c, 1, 0),
              () -> lab.backend.matmul(a, b, a, c, 1, 0),
              () -> lab.backend.matmul(a, b, null, c.view(1, 3, 5), 1, 0),
              () -> lab.backend.matmul(a, b, null, lab.out(DType.BF16, 3, 5), 1, 0),
              () -> lab.backend.matmul(a, b, null, lab.out(DType.F32, 5, 3).transpose(0, 1), 1, 0));
      for (Runnable call : calls) {
        RuntimeException e = assertThrows(IllegalArgumentException.class, call::run);
        assertTrue(e.getMessage().contains("left F32 [3, 4]"), e.getMessage());
      }
      lab.backend.matmul(a, b, null, c, 1, 0); // still of use
      assertEquals(4 * 77 * 77, lab.get(c)[0], 1e-2);
    }
  }

  // More shapes than the CPU backend keeps primitives for, and the first of them again.
  @Test
  void manyShapes() {
    int most = 4200;
    try (Lab lab = new Lab("cpu")) {
      float[] ones = new float[2 * most];
      Arrays.fill(ones, 1);
      Tensor a = lab.scope.tensor(DType.F32, most, 2).copyFrom(ones);
      Tensor b = lab.scope.tensor(DType.F32, 2, 1).copyFrom(new float[] {2, 3});
      Tensor c = lab.scope.tensor(DType.F32, most, 1);
      for (int i = 0; i <= most; i++) {
        int m = i % most + 1;
        c.slice(0, 0, m).copyFrom(new float[m]);
        lab.backend.matmul(a.slice(0, 0, m), b, null, c.slice(0, 0, m), 1, 0);
        assertEquals(5, c.slice(0, m - 1L, m).toFloats()[0], "of " + m + " rows");
      }
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void theSameBitsEveryTime(String name) {
    try (Lab lab = new Lab(name)) {
      Tensor a = lab.put(DType.F32, Lab.normal(1, 70 * 1000), 70, 1000);
      Tensor b = lab.put(DType.F32, Lab.normal(2, 1000 * 50), 1000, 50);
      double[] first = null;
      for (int i = 0; i < 5; i++) {
        Tensor c = lab.out(DType.F32, 70, 50);
        lab.backend.matmul(a, b, null, c, 1, 0);
        double[] now = lab.get(c);
        assertTrue(first == null || Arrays.equals(first, now), "run " + i);
        first = now;
      }
    }
  }
}
