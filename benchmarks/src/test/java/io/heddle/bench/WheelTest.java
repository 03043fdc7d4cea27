package io.heddle.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.heddle.tensor.DType;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * PyTorch's wheel as a contestant. Where {@code HEDDLE_BENCH_PYTHON} names an interpreter that has
 * it, its answers are compared; else stand-ins speak its part.
 */
class WheelTest {
  @TempDir Path folder = Path.of("");

  @BeforeEach
  void nativePartIsThere() {
    ContestTest.nativePartIsThere();
  }

  @AfterEach
  void nobodyIsInvited() {
    Wheel.use(null);
  }

  // A program in the place of Python.
  private void standIn(String body) throws Exception {
    Path script = folder.resolve("python");
    Files.writeString(script, "#!/bin/sh\n" + body);
    assertTrue(script.toFile().setExecutable(true));
    Wheel.use(script);
  }

  @Test
  void itsNumbersAreComparedWithOurs() throws Exception {
    String zeros = "head -c 256 /dev/zero >\"${line#answer }\"";
    standIn(
        """
        read setting; echo ready 0
        while read line; do case $line in answer*) %s;; esac; echo done; done
        """
            .formatted(zeros));
    try (Contest contest = new GemmContest(8, 8, 8, "cpu", DType.F32, 1)) {
      assertEquals(List.of("heddle", "libtorch", "pytorch"), contest.names());
      String message =
          String.valueOf(assertThrows(IllegalStateException.class, contest::check).getMessage());
      assertTrue(message.contains("pytorch and heddle differ"), message);
    }
  }

  @Test
  void onePythonWithoutPyTorchIsNamed() throws Exception {
    standIn("exit 1\n");
    Exception thrown =
        assertThrows(
            RuntimeException.class, () -> new GemmContest(8, 8, 8, "cpu", DType.F32, 1).close());
    assertTrue(
        String.valueOf(thrown.getMessage()).contains("--python " + folder), thrown::toString);
  }

  @Test
  void itAgrees() {
    String python = System.getenv("HEDDLE_BENCH_PYTHON");
    assumeTrue(python != null, "HEDDLE_BENCH_PYTHON names no interpreter with PyTorch");
    Wheel.use(Path.of(python));
    for (DType type : List.of(DType.F32, DType.BF16)) {
      for (String pattern : List.of("full", "causal", "window:40,0", "sparse:64,0.5")) {
        for (boolean backward : new boolean[] {false, true}) {
          var spec = new AttentionContest.Spec(2, 4, 2, 32, 130, pattern, backward);
          agrees(new AttentionContest(spec, "cpu", type, 1));
        }
      }
      agrees(new GemmContest(33, 65, 70, "cpu", type, 1));
      agrees(new StepContest(new StepContest.Spec(2, 64, 4, 100, 70, 0), "cpu", type, 1));
      agrees(new StepContest(new StepContest.Spec(1, 64, 4, 100, 70, 20), "cpu", type, 1));
    }
  }

  private static void agrees(Contest contest) {
    try (contest) {
      assertEquals("pytorch", contest.names().getLast());
      contest.check();
    }
  }
}
