package io.heddle.tests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.heddle.backend.Graph;
import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.tensor.DType;
import io.heddle.tensor.Scope;
import io.heddle.tensor.Tensor;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * What is captured and replayed gives what the same calls give, and what cannot be recorded is told
 * and harms nothing. Where a backend does not record, a replay makes the calls again.
 */
class GraphTest {
  private static final int N = 24;
  private static final Params.Activation GELU = new Params.Activation(2, 0);

  // y = gelu(x w + bias) by way of memory made within.
  private static void layer(Lab lab, Tensor x, Tensor w, Tensor bias, Tensor y) {
    try (Scope scope = new Scope(lab.backend.memory())) {
      Tensor product = scope.tensor(DType.F32, N, N);
      Tensor second = scope.tensor(DType.F32, N, N);
      lab.backend.matmul(x, w, null, product, 1, 0);
      lab.run(OpCode.COPY, Lab.NONE, product, second);
      scope.free(product);
      Tensor third = scope.tensor(DType.F32, N, N);
      lab.run(OpCode.BIAS_ACT_FWD, GELU, second, bias, third);
      lab.run(OpCode.COPY, Lab.NONE, third, y);
    }
  }

  private static Tensor square(Lab lab, int seed) {
    return lab.put(DType.F32, Lab.normal(seed, N * N), N, N);
  }

  private static void recording(String name) {
    assumeTrue(name.equals("cuda"), "this backend does not record");
  }

  @ParameterizedTest
  @MethodSource("io.heddle.tests.BackendsUnderTest#namesAndFar")
  void replaysReadWhatIsThereNow(String name) {
    try (Lab lab = new Lab(name)) {
      Tensor x = square(lab, 1);
      Tensor w = square(lab, 2);
      Tensor bias = lab.put(DType.F32, Lab.normal(3, N), N);
      Tensor y = lab.out(DType.F32, N, N);
      layer(lab, x, w, bias, y);
      try (Graph graph = lab.backend.capture(() -> layer(lab, x, w, bias, y));
          Graph other = lab.backend.capture(() -> layer(lab, y, w, bias, x))) {
        for (int seed = 4; seed < 8; seed++) {
          Tensor fresh = square(lab, seed);
          Tensor expected = lab.out(DType.F32, N, N);
          layer(lab, fresh, w, bias, expected);
          lab.backend.transfer(fresh, x);
          graph.replay();
          assertArrayEquals(lab.get(expected), lab.get(y), "replay with the values of " + seed);
          layer(lab, expected, w, bias, fresh);
          other.replay();
          assertArrayEquals(lab.get(fresh), lab.get(x), "the other graph after it");
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("io.heddle.tests.BackendsUnderTest#names")
  void nothingIsDoneBeforeAReplay(String name) {
    recording(name);
    try (Lab lab = new Lab(name)) {
      Tensor x = square(lab, 1);
      Tensor y = lab.out(DType.F32, N, N);
      Graph graph = lab.backend.capture(() -> lab.run(OpCode.COPY, Lab.NONE, x, y));
      assertEquals(-77, lab.get(y)[0]);
      graph.replay();
      assertArrayEquals(lab.get(x), lab.get(y));
      graph.close();
      assertThrows(IllegalStateException.class, graph::replay);
    }
  }

  @ParameterizedTest
  @MethodSource("io.heddle.tests.BackendsUnderTest#names")
  void whatCannotBeRecordedIsToldAndHarmsNothing(String name) {
    recording(name);
    try (Lab lab = new Lab(name)) {
      Tensor x = square(lab, 1);
      Tensor y = lab.out(DType.F32, N, N);
      refused(lab, "from the host", () -> x.copyFrom(new float[N * N]));
      refused(lab, "to the host", x::toFloats);
      refused(lab, "nothing is done yet", lab.backend::synchronize);
      refused(lab, "are still held", () -> lab.scope.tensor(DType.F32, 8));
      assertThrows(
          IllegalArgumentException.class, () -> lab.backend.capture(() -> nested(lab, x, y)));
      assertThrows(
          ArithmeticException.class,
          () ->
              lab.backend.capture(
                  () -> {
                    lab.run(OpCode.COPY, Lab.NONE, x, y);
                    throw new ArithmeticException("of the body");
                  }));
      assertEquals(-77, lab.get(y)[0], "an abandoned recording was not run");
      try (Graph graph = lab.backend.capture(() -> lab.run(OpCode.COPY, Lab.NONE, x, y))) {
        graph.replay();
        assertArrayEquals(lab.get(x), lab.get(y));
      }
    }
  }

  private static void nested(Lab lab, Tensor x, Tensor y) {
    try (Graph inner = lab.backend.capture(() -> lab.run(OpCode.COPY, Lab.NONE, x, y))) {
      inner.replay();
    }
  }

  private static void refused(Lab lab, String why, Runnable body) {
    RuntimeException e =
        assertThrows(UnsupportedOperationException.class, () -> lab.backend.capture(body));
    assertTrue(String.valueOf(e.getMessage()).contains(why), e.getMessage());
    lab.backend.synchronize();
  }

  @ParameterizedTest
  @MethodSource("io.heddle.tests.BackendsUnderTest#names")
  void memoryLastsAsLongAsTheGraph(String name) {
    recording(name);
    try (Lab lab = new Lab(name)) {
      Scope early = new Scope(lab.backend.memory());
      Tensor x = early.tensor(DType.F32, 4096, 8).copyFrom(new float[4096 * 8]);
      Tensor sums = lab.out(DType.F32, 1);
      lab.run(OpCode.SUM_SQUARES, Lab.NONE, x, sums);
      x.copyFrom(Lab.normal(1, 4096 * 8));
      try (Graph graph =
          lab.backend.capture(() -> lab.run(OpCode.SUM_SQUARES, Lab.NONE, x, sums))) {
        graph.replay();
        double[] expected = lab.get(sums);
        early.close();
        // The workspace that the graph writes to is outgrown and must not be used by others.
        try (Scope big = new Scope(lab.backend.memory())) {
          Tensor y = big.tensor(DType.F32, 1 << 20, 4);
          Tensor columns = big.tensor(DType.F32, 1, 4);
          lab.run(OpCode.REDUCE, new Params.Reduce(0, 0), y, columns);
          lab.run(OpCode.SUM_SQUARES, Lab.NONE, y, lab.out(DType.F32, 1));
        }
        graph.replay();
        assertArrayEquals(expected, lab.get(sums));
      }
    }
  }

  @ParameterizedTest
  @MethodSource("io.heddle.tests.BackendsUnderTest#names")
  void aReplaysIndexErrorIsTold(String name) {
    recording(name);
    try (Lab lab = new Lab(name)) {
      Tensor table = lab.put(DType.F32, Lab.normal(1, 12), 3, 4);
      Tensor ids = lab.ints(new int[] {0, 1, 2}, 3);
      Tensor y = lab.out(DType.F32, 3, 4);
      try (Graph graph =
          lab.backend.capture(
              () -> lab.run(OpCode.EMBEDDING_FWD, new Params.Embedding(0), table, ids, y))) {
        graph.replay();
        lab.backend.synchronize();
        ids.copyFrom(new int[] {0, 9, 2});
        graph.replay();
        RuntimeException e =
            assertThrows(IllegalArgumentException.class, () -> lab.backend.synchronize());
        assertTrue(String.valueOf(e.getMessage()).contains("embedding_fwd"), e.getMessage());
        ids.copyFrom(new int[] {2, 1, 0});
        graph.replay();
        assertArrayEquals(lab.get(table), turned(lab.get(y)));
      }
    }
  }

  private static double[] turned(double[] rows) {
    double[] out = new double[12];
    for (int r = 0; r < 3; r++) {
      System.arraycopy(rows, 4 * r, out, 4 * (2 - r), 4);
    }
    return out;
  }
}
