package io.heddle.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.backend.Backend;
import io.heddle.backend.BackendOptions;
import io.heddle.backend.Backends;
import io.heddle.tensor.DType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * A small model learns the same on a device as on the CPU, and twice the same there, bit for bit.
 * The losses' difference is bounded by 1e-3 of the loss in f32: each step's rounding is some 1e-6
 * of it, and Adam, which divides by the gradient's own size, blows that up step by step ({@link
 * ModelGoldenTest} has the same bound between f32 and f64). In bf16 a weight's rounding is 2e-3 of
 * it, and both curves wander by that: 3e-2.
 */
@NeedsNative
class CurveParityTest {
  private static final int STEPS = 20;
  private static final BackendOptions ONE_THREAD = new BackendOptions(0, 1);

  @TempDir Path folder;

  static Stream<Arguments> devices() {
    return BackendsUnderTest.namesAndFar()
        .filter(name -> !name.equals("cpu") && !name.equals("reference"))
        .flatMap(
            name ->
                Stream.of(
                    Arguments.of(name, DType.F32, 1e-3), Arguments.of(name, DType.BF16, 3e-2)));
  }

  @ParameterizedTest(name = "{1} on {0}")
  @MethodSource("devices")
  void theSameCurve(String name, DType dtype, double tolerance) throws IOException {
    double[] expected = run("cpu", dtype, "cpu");
    double[] first = run(name, dtype, "first");
    double[] second = run(name, dtype, "second");
    assertEquals(STEPS, expected.length);
    double worst = 0;
    for (int i = 0; i < STEPS; i++) {
      assertEquals(first[i], second[i], "the second run's loss of step " + i);
      worst = Math.max(worst, Math.abs(first[i] - expected[i]) / expected[i]);
    }
    System.out.printf(
        "%s on %s: loss %.4f to %.4f, the CPU's %.4f; largest difference %.1e%n",
        dtype, name, first[0], first[STEPS - 1], expected[STEPS - 1], worst);
    assertTrue(worst <= tolerance, "losses differ by " + worst + " of their size");
    assertTrue(first[STEPS - 1] < 0.9 * first[0], "nothing was learnt");
    for (String file : new String[] {"metrics.jsonl", "model/model.safetensors"}) {
      assertEquals(
          -1,
          Files.mismatch(
              folder.resolve("first").resolve(file), folder.resolve("second").resolve(file)),
          file);
    }
  }

  private double[] run(String name, DType dtype, String run) {
    try (Backend backend = Backends.open(name, ONE_THREAD)) {
      SmallRun.train(backend, dtype, STEPS, folder.resolve(run), null);
    }
    return SmallRun.losses(folder.resolve(run));
  }
}
