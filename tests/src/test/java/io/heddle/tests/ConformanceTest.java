package io.heddle.tests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.backend.Backend;
import io.heddle.backend.BackendOptions;
import io.heddle.backend.Backends;
import io.heddle.backend.reference.ReferenceBackend;
import io.heddle.op.OpCode;
import io.heddle.tensor.DType;
import io.heddle.tensor.Scope;
import io.heddle.tensor.Tensor;
import io.heddle.tests.ConformanceCases.Arg;
import io.heddle.tests.ConformanceCases.Case;
import io.heddle.tests.ConformanceCases.Exactness;
import io.heddle.tests.ConformanceCases.Place;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every backend against the reference, on the same rounded inputs. The rule of SUM ops is |ours -
 * reference| <= 2 |naive - exact| + floor. The naive error of a sum of n rounded terms grows like
 * sqrt(n) units of the type, so the bound, relative to the largest entry, is 1e-5 sqrt(n) in f32
 * (some 80 units for exp, tanh and division on the way). In bf16 sums run in f32 and what counts is
 * the rounding of the result (2^-9 of an entry) and of intermediate values (probabilities,
 * normalised inputs) fed into the next sum: 1.5e-2. ROUND is one unit of the type, EXACT is
 * equality. Every output lies inside a larger buffer, whose other bytes must stay as they were.
 */
@NeedsNative
class ConformanceTest {
  private static final List<Case> CASES = ConformanceCases.all();

  // What the reference says, or why it failed, per case; shared by all backends.
  private static List<Supplier<List<double[]>>> expected = List.of();

  // Slow and plain, but of use to all cores at once.
  @BeforeAll
  static void askTheReference() {
    try (Backend reference = Backends.open("reference")) {
      expected = CASES.parallelStream().map(c -> outcome(c, reference)).toList();
    }
  }

  private static Supplier<List<double[]>> outcome(Case c, Backend reference) {
    try {
      List<double[]> outputs = run(c, reference);
      return () -> outputs;
    } catch (RuntimeException e) {
      return () -> {
        throw e;
      };
    }
  }

  static Stream<String> backends() {
    return BackendsUnderTest.names().filter(name -> !name.equals("reference"));
  }

  @Test
  void cpuHasEveryOp() {
    try (Backend cpu = Backends.open("cpu")) {
      for (OpCode op : OpCode.values()) {
        assertTrue(cpu.supports(op), op.opName());
      }
    }
  }

  @Test
  void everyOpHasCases() {
    for (OpCode op : OpCode.values()) {
      assertTrue(CASES.stream().anyMatch(c -> c.op() == op), op.opName());
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void agreesWithTheReference(String name) {
    List<String> wrong = new ArrayList<>();
    try (Backend backend = Backends.open(name)) {
      for (int i = 0; i < CASES.size(); i++) {
        Case c = CASES.get(i);
        Supplier<List<double[]>> right = expected.get(i);
        if (backend.supports(c.op())) {
          attempt(c, wrong, () -> compare(c, right.get(), run(c, backend)));
        }
      }
    }
    assertTrue(
        wrong.isEmpty(),
        () -> wrong.size() + " of " + CASES.size() + " cases:\n" + String.join("\n", wrong));
  }

  @Test
  void threadsDoNotChangeABit() {
    List<String> wrong = new ArrayList<>();
    try (Backend one = Backends.open("cpu", new BackendOptions(0, 1));
        Backend two = Backends.open("cpu", new BackendOptions(0, 2))) {
      for (Case c : CASES) {
        attempt(
            c,
            wrong,
            () -> {
              List<double[]> expected = run(c, one);
              List<double[]> actual = run(c, two);
              for (int i = 0; i < expected.size(); i++) {
                assertArrayEquals(expected.get(i), actual.get(i), c + ": output " + i);
              }
            });
      }
    }
    assertTrue(wrong.isEmpty(), () -> wrong.size() + " cases:\n" + String.join("\n", wrong));
  }

  // One broken kernel should not hide the others: all cases run, then all that is wrong is told.
  private static void attempt(Case c, List<String> wrong, Runnable body) {
    try {
      body.run();
    } catch (AssertionError | RuntimeException e) {
      wrong.add(c + ": " + e);
    }
  }

  private static void compare(Case c, List<double[]> expected, List<double[]> actual) {
    assertEquals(expected.size(), actual.size(), c.toString());
    double tolerance =
        switch (c.exactness()) {
          case EXACT -> 0;
          case ROUND -> c.dtype() == DType.F32 ? 1.2e-7 : 7.9e-3;
          case SUM ->
              c.dtype() == DType.F32 ? 1e-5 * Math.sqrt((double) Math.max(1, c.terms())) : 1.5e-2;
        };
    for (int i = 0; i < expected.size(); i++) {
      // Entries that are all (nearly) zero because terms of size 1 cancel: the terms' rounding
      // remains. With one key dq and dk are the
      // difference of two equal sums of D products.
      double sums = c.op() == OpCode.ATTENTION_BWD ? 1e-1 : 1e-2;
      double floor = c.exactness() == Exactness.SUM ? sums : 1e-30;
      Lab.close("output " + i, expected.get(i), actual.get(i), tolerance, floor);
      if (c.op() == OpCode.DROPOUT) {
        for (int j = 0; j < expected.get(i).length; j++) {
          assertEquals(expected.get(i)[j] == 0, actual.get(i)[j] == 0, "the mask at " + j);
        }
      }
    }
  }

  // ---- running a case ----

  @SuppressWarnings("ArrayRecordComponent") // held, never compared
  private record Placed(Tensor buffer, double[] before, Tensor view, Arg arg) {}

  /** Runs a case; the outputs that are present, in order. */
  static List<double[]> run(Case c, Backend backend) {
    try (Scope scope = new Scope(backend.memory());
        Scope host = new Scope(new ReferenceBackend().memory())) {
      int n = c.args().size();
      Placed[] placed = new Placed[n];
      Tensor[] tensors = new Tensor[n];
      for (int i = 0; i < n; i++) {
        if (c.args().get(i) != null) {
          placed[i] = place(c.args().get(i), backend, scope, host);
          tensors[i] = placed[i].view;
        }
      }
      backend.run(c.op(), c.params(), tensors);
      backend.synchronize();
      List<double[]> outputs = new ArrayList<>();
      for (int i = 0; i < n; i++) {
        if (placed[i] != null && placed[i].arg.dtype() != DType.I64) {
          double[] values =
              readBack(c, i, placed[i], backend, host, c.op().signature().isOutput(i, n));
          if (c.op().signature().isOutput(i, n)) {
            outputs.add(values);
          }
        }
      }
      return outputs;
    }
  }

  private static Placed place(Arg arg, Backend backend, Scope scope, Scope host) {
    long[] shape = arg.shape();
    Tensor image = host.tensor(arg.dtype(), bufferShape(arg));
    double[] pattern = new double[(int) image.size()];
    Arrays.setAll(pattern, i -> 100 + i % 23);
    image.copyFrom(pattern);
    if (arg.dtype() == DType.I64) {
      Tensor view = viewOf(image, arg);
      for (int i = 0; i < arg.values().length; i++) {
        view.segment().setAtIndex(java.lang.foreign.ValueLayout.JAVA_INT, i, (int) arg.values()[i]);
      }
    } else {
      viewOf(image, arg).copyFrom(arg.values());
    }
    Tensor buffer = scope.tensor(arg.dtype(), image.shape());
    backend.transfer(image, buffer);
    assertEquals(Arrays.toString(shape), Arrays.toString(viewOf(buffer, arg).shape()));
    return new Placed(buffer, image.toDoubles(), viewOf(buffer, arg), arg);
  }

  private static long[] bufferShape(Arg arg) {
    long[] shape = arg.shape().clone();
    if (arg.place() == Place.PACKED) {
      long size = 1;
      for (long d : shape) {
        size *= d;
      }
      return new long[] {size + 16};
    }
    shape[0] += 2;
    shape[shape.length - 1] += 5;
    if (arg.place() == Place.HEADS) {
      long heads = shape[1];
      shape[1] = shape[2];
      shape[2] = heads;
    }
    return shape;
  }

  private static Tensor viewOf(Tensor buffer, Arg arg) {
    long[] shape = arg.shape();
    int last = shape.length - 1;
    if (arg.place() == Place.PACKED) {
      return Tensor.of(buffer.storage(), 5L * arg.dtype().bytes(), arg.dtype(), shape);
    }
    Tensor turned = arg.place() == Place.HEADS ? buffer.transpose(1, 2) : buffer;
    Tensor rows = turned.slice(0, 1, 1 + shape[0] + (last == 0 ? 5 : 0));
    return rows.slice(last, 2, 2 + shape[last]);
  }

  private static double[] readBack(
      Case c, int i, Placed placed, Backend backend, Scope host, boolean output) {
    Tensor after = host.tensor(placed.arg.dtype(), placed.buffer.shape());
    backend.transfer(placed.buffer, after);
    double[] values = viewOf(after, placed.arg).toDoubles();
    Tensor before = host.tensor(placed.arg.dtype(), placed.buffer.shape()).copyFrom(placed.before);
    String name = c.op().signature().name(i, c.args().size());
    if (output) {
      viewOf(before, placed.arg).copyFrom(values);
    }
    assertArrayEquals(
        before.toDoubles(),
        after.toDoubles(),
        c
            + " on "
            + backend.name()
            + ": "
            + (output ? "around " : "input ")
            + "'"
            + name
            + "' was written");
    return values;
  }
}
