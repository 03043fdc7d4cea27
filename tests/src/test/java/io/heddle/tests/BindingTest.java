package io.heddle.tests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.backend.BackendOptions;
import io.heddle.backend.Backends;
import io.heddle.binding.Door;
import io.heddle.binding.Transport;
import io.heddle.binding.cpu.CpuBackend;
import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.op.pattern.BlockLayout;
import io.heddle.op.pattern.Patterns;
import io.heddle.tensor.DType;
import io.heddle.tensor.Scope;
import io.heddle.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The door from Java, through both transports. */
@NeedsNative
class BindingTest {
  private static final Params.Activation GELU = new Params.Activation(2, 0);

  private static Lab lab(String transport) {
    return new Lab(new CpuBackend(Door.open(transport), BackendOptions.DEFAULT));
  }

  private static List<double[]> someOps(Lab lab) {
    List<double[]> results = new ArrayList<>();
    Tensor x = lab.put(DType.F32, Lab.normal(1, 30 * 70), 30, 70);
    Tensor bias = lab.put(DType.F32, Lab.normal(2, 70), 70);
    Tensor y = lab.out(DType.F32, 30, 70);
    lab.run(OpCode.SOFTMAX_FWD, Lab.NONE, x, y);
    results.add(lab.get(y));
    lab.run(OpCode.BIAS_ACT_FWD, GELU, x, bias, y);
    results.add(lab.get(y));
    lab.run(OpCode.BIAS_ACT_FWD, GELU, x, null, y);
    results.add(lab.get(y));
    lab.run(OpCode.DROPOUT, new Params.Dropout(-3, Long.MAX_VALUE, 0.5f), x, null, y);
    results.add(lab.get(y));
    Tensor turned = lab.out(DType.BF16, 70, 30);
    lab.run(OpCode.COPY, Lab.NONE, x.transpose(0, 1), turned);
    results.add(lab.get(turned));
    Tensor[] sum = new Tensor[42];
    sum[1] = lab.put(DType.F64, Lab.normal(3, 39), 39);
    for (int i = 2; i < sum.length; i++) {
      sum[i] = lab.put(DType.F32, Lab.normal(i, 50), 50);
    }
    lab.run(OpCode.LINEAR_COMBINATION, Lab.NONE, sum);
    results.add(lab.get(sum[41]));
    long[] shape = {2, 2, 90, 16};
    Tensor q = lab.put(DType.F32, Lab.normal(4, 5760), shape);
    Tensor o = lab.out(DType.F32, shape);
    Tensor lse = lab.out(DType.F32, 2, 2, 90);
    BlockLayout.Tensors t = lab.layout(BlockLayout.of(Patterns.window(40, 0), 2, 90, 90));
    Params.Attention params = new Params.Attention(9, 8, 0.25f, 2, 0.125f);
    lab.run(
        OpCode.ATTENTION_FWD,
        params,
        q,
        q,
        q,
        t.rowPtr(),
        t.rowBlocks(),
        t.masks(),
        t.headGroup(),
        null,
        null,
        o,
        lse);
    results.add(lab.get(o));
    results.add(lab.get(lse));
    Tensor c = lab.out(DType.F32, 30, 30);
    lab.backend.matmul(x, x.transpose(0, 1), null, c, 1, 0);
    results.add(lab.get(c));
    return results;
  }

  @Test
  void bothTransportsGiveTheSameBits() {
    try (Lab javacpp = lab("javacpp");
        Lab ffm = lab("ffm")) {
      List<double[]> expected = someOps(javacpp);
      List<double[]> actual = someOps(ffm);
      for (int i = 0; i < expected.size(); i++) {
        assertArrayEquals(expected.get(i), actual.get(i), "result " + i);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"javacpp", "ffm"})
  void handshake(String name) {
    Door door = Door.open(name);
    Transport transport = door.transport();
    assertEquals(name, transport.name());
    assertEquals(OpCode.ABI_VERSION, transport.abiVersion());
    OpCode[] ops = OpCode.values();
    assertEquals(ops.length, transport.opCount());
    for (int i = 0; i < ops.length; i++) {
      int op = i;
      assertEquals(ops[i].opName(), Door.text((t, n) -> transport.opName(op, t, n)));
      assertEquals(ops[i].paramsBytes(), transport.opParamsBytes(i));
      List<String> words = new ArrayList<>();
      for (String word : Door.text((t, n) -> transport.opSignature(op, t, n)).split(" ", -1)) {
        if (!word.equals("->")) {
          words.add(word.replaceAll("[?*]", ""));
        }
      }
      assertEquals(ops[i].signature().names(), words);
    }
    assertTrue(door.probe(door.backend("cpu")).available());
    assertThrows(IllegalArgumentException.class, () -> door.backend("abacus"));
    assertThrows(IllegalArgumentException.class, () -> Door.open("pigeon"));
    IllegalArgumentException e =
        assertThrows(IllegalArgumentException.class, () -> Backends.open("abacus"));
    assertTrue(e.getMessage().contains("abacus") && e.getMessage().contains("cpu"), e.getMessage());
  }

  @ParameterizedTest
  @ValueSource(strings = {"javacpp", "ffm"})
  void aCpuContextHasNoStreamAndMayBeCareful(String name) {
    Door door = Door.open(name);
    Transport transport = door.transport();
    long context = transport.open(door.backend("cpu"), 0, 1);
    assertEquals(0, transport.stream(context));
    door.check(transport.careful(context, 1));
    door.check(transport.careful(context, 0));
    door.check(transport.close(context));
    assertThrows(IllegalArgumentException.class, () -> door.check(transport.careful(0, 1)));
    assertEquals(0, transport.stream(0));
  }

  private static void refused(Executable call, String... parts) {
    IllegalArgumentException e = assertThrows(IllegalArgumentException.class, call);
    for (String part : parts) {
      assertTrue(e.getMessage().contains(part), "'" + part + "' is missing in: " + e.getMessage());
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"javacpp", "ffm"})
  void wrongCallsAreNamed(String transport) {
    try (Lab lab = lab(transport)) {
      Tensor x = lab.put(DType.F32, Lab.normal(1, 12), 3, 4);
      Tensor y = lab.out(DType.F32, 3, 4);
      Tensor wide = lab.out(DType.F32, 3, 5);
      Tensor ids = lab.ints(new int[] {0, 1, 2}, 3);
      refused(() -> lab.run(OpCode.BIAS_ACT_FWD, GELU, x, y), "bias_act_fwd");
      refused(() -> lab.run(OpCode.BIAS_ACT_FWD, GELU, x, null, y, y), "bias_act_fwd");
      refused(() -> lab.run(OpCode.BIAS_ACT_FWD, GELU), "bias_act_fwd");
      refused(() -> lab.run(OpCode.BIAS_ACT_FWD, GELU, null, null, y), "bias_act_fwd", "x");
      refused(() -> lab.run(OpCode.BIAS_ACT_FWD, GELU, x, null, null), "bias_act_fwd", "y");
      refused(() -> lab.run(OpCode.BIAS_ACT_FWD, GELU, x, null, wide), "bias_act_fwd", "y");
      refused(() -> lab.run(OpCode.BIAS_ACT_FWD, GELU, x, wide, y), "bias_act_fwd", "bias");
      refused(
          () -> lab.run(OpCode.BIAS_ACT_FWD, GELU, x, null, lab.out(DType.I32, 3, 4)),
          "bias_act_fwd",
          "y");
      refused(
          () -> lab.run(OpCode.BIAS_ACT_FWD, new Params.Activation(99, 0), x, null, y),
          "bias_act_fwd");
      refused(
          () -> lab.run(OpCode.BIAS_ACT_FWD, new Params.Dropout(1, 2, 0.5f), x, null, y),
          "bias_act_fwd");
      refused(
          () -> lab.run(OpCode.EMBEDDING_FWD, new Params.Embedding(0), x, y, y),
          "embedding_fwd",
          "ids");
      refused(
          () ->
              lab.run(
                  OpCode.EMBEDDING_FWD,
                  new Params.Embedding(0),
                  x,
                  lab.ints(new int[] {0, 3, 2}, 3),
                  y),
          "embedding_fwd",
          "3");
      refused(
          () ->
              lab.run(
                  OpCode.EMBEDDING_FWD,
                  new Params.Embedding(0),
                  x,
                  lab.ints(new int[] {0, -1, 2}, 3),
                  y),
          "embedding_fwd",
          "-1");
      refused(
          () ->
              lab.run(
                  OpCode.CROSS_ENTROPY,
                  new Params.CrossEntropy(-100, 0, 1),
                  x,
                  lab.ints(new int[] {0, 4, 2}, 3),
                  lab.out(DType.F32, 3),
                  null),
          "cross_entropy",
          "4");
      refused(
          () ->
              lab.run(
                  OpCode.NORM_FWD,
                  new Params.Norm(0, 1e-5f, 0, 0),
                  x,
                  null,
                  ids,
                  null,
                  y,
                  null,
                  null,
                  null),
          "norm_fwd",
          "weight");
      Tensor q = lab.out(DType.F32, 1, 3, 5, 8);
      Tensor k = lab.out(DType.F32, 1, 2, 5, 8);
      Params.Attention attention = new Params.Attention(0, 0, 1, 0, 0);
      refused(
          () ->
              lab.run(
                  OpCode.ATTENTION_FWD,
                  attention,
                  q,
                  k,
                  k,
                  null,
                  null,
                  null,
                  null,
                  null,
                  null,
                  lab.out(DType.F32, 1, 3, 5, 8),
                  null),
          "attention_fwd");
      // Still of use after all that.
      lab.run(OpCode.BIAS_ACT_FWD, new Params.Activation(0, 0), x, null, y);
      assertArrayEquals(lab.get(x), lab.get(y));
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"javacpp", "ffm"})
  void nothingWorksAfterClose(String transport) {
    Lab lab = lab(transport);
    Tensor x = lab.put(DType.F32, Lab.normal(1, 12), 3, 4);
    Tensor y = lab.out(DType.F32, 3, 4);
    Tensor part = x.slice(0, 0, 3);
    lab.scope.free(x);
    IllegalStateException e =
        assertThrows(
            IllegalStateException.class, () -> lab.run(OpCode.SOFTMAX_FWD, Lab.NONE, x, y));
    assertTrue(
        e.getMessage().contains("softmax_fwd") && e.getMessage().contains("'x'"), e.getMessage());
    assertThrows(IllegalStateException.class, () -> lab.run(OpCode.SOFTMAX_FWD, Lab.NONE, part, y));
    assertThrows(IllegalStateException.class, () -> x.get(0, 0));
    assertThrows(IllegalStateException.class, part::toFloats);
    lab.close();
    assertThrows(IllegalStateException.class, () -> y.get(0, 0));
    assertThrows(IllegalStateException.class, () -> lab.scope.tensor(DType.F32, 1));
    lab.close(); // twice does no harm
  }

  /** In a JVM of its own: a stale context must be an error, never a crash. */
  @ParameterizedTest
  @ValueSource(strings = {"javacpp", "ffm"})
  void aClosedBackendRefuses(String transport, @TempDir Path folder)
      throws IOException, InterruptedException {
    ChildJvm.Ended ended = ChildJvm.java(ClosedBackendCalls.class, folder, Map.of(), transport);
    assertEquals(0, ended.status(), ended.output());
  }

  /** A close while a kernel runs waits for the kernel's lease; a later touch throws. */
  @ParameterizedTest
  @ValueSource(strings = {"javacpp", "ffm"})
  void closeFromAnotherThreadIsSafe(String transport) throws InterruptedException {
    int rows = 2000;
    try (Lab lab = lab(transport)) {
      double[] values = Lab.normal(1, rows * 64L);
      for (int i = 0; i < 60; i++) {
        Scope shared = new Scope(lab.backend.memory());
        Tensor x = shared.tensor(DType.F32, rows, 64).copyFrom(values);
        Tensor y = shared.tensor(DType.F32, rows, 64);
        CountDownLatch started = new CountDownLatch(1);
        AtomicReference<Throwable> ended = new AtomicReference<>();
        Thread worker =
            new Thread(
                () -> {
                  try {
                    for (int j = 0; j < 100_000; j++) {
                      lab.run(OpCode.BIAS_ACT_FWD, GELU, x, null, y);
                      started.countDown();
                    }
                  } catch (Throwable e) {
                    ended.set(e);
                  }
                });
        worker.start();
        assertTrue(started.await(20, TimeUnit.SECONDS));
        shared.close();
        worker.join(20_000);
        assertTrue(!worker.isAlive(), "the worker goes on");
        assertSame(
            IllegalStateException.class,
            ended.get() == null ? null : ended.get().getClass(),
            String.valueOf(ended.get()));
      }
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"javacpp", "ffm"})
  void nothingLeaks(String transport) {
    long before = Scope.openBytes();
    for (int i = 0; i < 20; i++) {
      try (Lab lab = lab(transport)) {
        assertTrue(someOps(lab).size() > 5);
        assertTrue(Scope.openBytes() > before);
        assertTrue(lab.scope.peakBytes() >= lab.scope.bytes());
      }
      assertEquals(before, Scope.openBytes());
    }
  }

  /** Many threads share a backend. */
  @ParameterizedTest
  @ValueSource(strings = {"javacpp", "ffm"})
  void manyThreadsShareABackend(String transport) throws InterruptedException {
    try (Lab owner = lab(transport)) {
      AtomicReference<Throwable> failure = new AtomicReference<>();
      List<Thread> threads = new ArrayList<>();
      for (int i = 0; i < 4; i++) {
        double[] values = Lab.normal(i, 33 * 65);
        Thread thread =
            new Thread(
                () -> {
                  try (Scope scope = new Scope(owner.backend.memory())) {
                    Tensor x = scope.tensor(DType.F32, 33, 65).copyFrom(values);
                    Tensor y = scope.tensor(DType.F32, 33, 65);
                    owner.run(OpCode.SOFTMAX_FWD, Lab.NONE, x, y);
                    float[] first = y.toFloats();
                    for (int j = 0; j < 200; j++) {
                      owner.run(OpCode.SOFTMAX_FWD, Lab.NONE, x, y);
                      assertArrayEquals(first, y.toFloats());
                    }
                  } catch (Throwable e) {
                    failure.set(e);
                  }
                });
        threads.add(thread);
        thread.start();
      }
      for (Thread thread : threads) {
        thread.join(30_000);
      }
      assertSame(null, failure.get());
    }
  }
}
