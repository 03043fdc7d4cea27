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
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Peers in processes of their own: stand-ins speak their part; and where {@code
 * HEDDLE_BENCH_PYTHON} names an interpreter with PyTorch, or ND4J has been fetched, the answers of
 * the real ones are compared.
 */
class GuestTest {
  @TempDir Path folder = Path.of("");

  @BeforeEach
  void nativePartIsThere() {
    ContestTest.nativePartIsThere();
  }

  @AfterEach
  void nobodyIsInvited() {
    Guest.invite(Guest.PYTORCH, List.of());
    Guest.invite(Guest.ND4J, List.of());
  }

  // A program in the place of Python.
  private void standIn(String body) throws Exception {
    Path script = folder.resolve("python");
    Files.writeString(script, "#!/bin/sh\n" + body);
    assertTrue(script.toFile().setExecutable(true));
    Guest.invite(Guest.PYTORCH, List.of(script.toString()));
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
      assertEquals(List.of("heddle", "libtorch", "onednn", "pytorch"), contest.names());
      String message =
          String.valueOf(assertThrows(IllegalStateException.class, contest::check).getMessage());
      assertTrue(message.contains("pytorch and heddle differ"), message);
    }
  }

  @Test
  void whatGoesWrongIsNamed() throws Exception {
    assertFails("exit 1\n", "has ended");
    assertFails("read setting; echo hello; read line\n", "answers 'hello'");
    assertFails(
        "read setting; echo ready 0; read line; echo no; read line\n", "answers 'no' to 'run 1'");
  }

  private void assertFails(String body, String reason) throws Exception {
    standIn(body);
    Exception thrown =
        assertThrows(
            RuntimeException.class,
            () -> {
              try (Contest contest = new GemmContest(8, 8, 8, "cpu", DType.F32, 1)) {
                contest.check();
              }
            });
    String message = String.valueOf(thrown.getMessage());
    assertTrue(message.contains("peer pytorch (" + folder), message);
    assertTrue(message.contains(reason), message);
  }

  @Test
  void aStretchIsOneMessage() throws Exception {
    Path log = folder.resolve("log");
    standIn(
        "read setting; echo ready 0; while read line; do echo $line >>%s; echo done; done\n"
            .formatted(log));
    try (Contest contest = new GemmContest(8, 8, 8, "cpu", DType.F32, 1)) {
      contest.contestant("pytorch").runs().accept(7);
    }
    assertEquals(List.of("run 7"), Files.readAllLines(log));
  }

  private static void invitePyTorch() {
    String python = System.getenv("HEDDLE_BENCH_PYTHON");
    assumeTrue(python != null, "HEDDLE_BENCH_PYTHON names no interpreter with PyTorch");
    Guest.invitePyTorch(Path.of(python));
  }

  @ParameterizedTest
  @EnumSource(
      value = DType.class,
      names = {"F32", "BF16"})
  void pyTorchAgrees(DType type) {
    invitePyTorch();
    agree(type, Guest.PYTORCH);
  }

  @ParameterizedTest
  @EnumSource(
      value = DType.class,
      names = {"F32", "BF16"})
  void pyTorchAgreesOnAttention(DType type) {
    invitePyTorch();
    for (String pattern : List.of("full", "causal", "window:40,0", "sparse:64,0.5")) {
      for (boolean backward : new boolean[] {false, true}) {
        var spec = new AttentionContest.Spec(2, 4, 2, 32, 130, pattern, backward);
        agrees(new AttentionContest(spec, "cpu", type, 1), Guest.PYTORCH);
      }
    }
    for (var spec :
        List.of(
            new StepContest.Spec(2, 64, 4, 100, 70, 0),
            new StepContest.Spec(1, 64, 4, 100, 70, 20))) {
      agrees(new StepContest(spec, "cpu", type, 1), Guest.PYTORCH);
    }
  }

  @Test
  void nd4jAgrees() throws Exception {
    assumeTrue(Nd4jJars.present(), "no ND4J: heddle bench gemm --nd4j fetches it");
    Guest.invite(Guest.ND4J, Nd4jJars.command());
    var spec = new AttentionContest.Spec(2, 4, 4, 32, 130, "full", false);
    agrees(new AttentionContest(spec, "cpu", DType.F32, 1), Guest.ND4J);
    agree(DType.F32, Guest.ND4J);
  }

  private static void agree(DType type, String guest) {
    agrees(new GemmContest(33, 65, 70, "cpu", type, 1), guest);
    agrees(new MemoryContests.Norm(7, 100, "cpu", type, 1), guest);
    agrees(new MemoryContests.Loss(9, 501, "cpu", type, 1), guest);
    agrees(new MemoryContests.Merge(1000, 1, "cpu", type, 1), guest);
    agrees(new MemoryContests.Merge(1000, 3, "cpu", type, 1), guest);
    if (type == DType.F32) {
      agrees(new MemoryContests.Optimizer(1000, "cpu", 1), guest);
    }
  }

  private static void agrees(Contest contest, String guest) {
    try (contest) {
      assertTrue(contest.names().contains(guest), () -> contest.op() + ": " + contest.names());
      contest.check();
    }
  }
}
