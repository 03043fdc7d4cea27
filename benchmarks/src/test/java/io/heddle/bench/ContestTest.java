package io.heddle.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.heddle.backend.Backends;
import io.heddle.tensor.DType;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Every contest at a small shape: all contestants agree, and rows come out whole. */
class ContestTest {
  @BeforeAll
  static void nativePartIsThere() {
    assumeTrue(
        Backends.providers().stream()
            .anyMatch(p -> p.name().equals("cpu") && p.probe().available()),
        "built without the native part (-Pquick)");
    Torch.threads(1);
  }

  private static AttentionContest attention(String pattern, boolean backward, DType type) {
    return new AttentionContest(
        new AttentionContest.Spec(2, 4, 2, 32, 130, pattern, backward), "cpu", type, 1);
  }

  @ParameterizedTest
  @ValueSource(strings = {"full", "causal", "window:40,0", "window:20,30", "sparse:64,0.5"})
  void attentionAgreesWithLibtorch(String pattern) {
    for (DType type : List.of(DType.F32, DType.BF16)) {
      for (boolean backward : new boolean[] {false, true}) {
        try (Contest contest = attention(pattern, backward, type)) {
          assertEquals(List.of("heddle", "libtorch"), contest.names());
          contest.check();
        }
      }
    }
  }

  @ParameterizedTest
  @EnumSource(
      value = DType.class,
      names = {"F32", "BF16"})
  void othersAgree(DType type) {
    List<Contest> all =
        List.of(
            new StepContest(new StepContest.Spec(2, 64, 4, 100, 70, 0), "cpu", type, 1),
            new StepContest(new StepContest.Spec(1, 64, 4, 100, 70, 20), "cpu", type, 1),
            new DecodeContest(new DecodeContest.Spec(true, 2, 64, 4, 100, 40, 33), "cpu", type, 1),
            new DecodeContest(new DecodeContest.Spec(false, 2, 64, 4, 100, 40, 9), "cpu", type, 1),
            new Int8DecodeContest(
                new DecodeContest.Spec(false, 2, 64, 4, 100, 40, 9), "cpu", type, 1),
            new GemmContest(33, 65, 70, "cpu", type, 1),
            new MemoryContests.Norm(7, 100, "cpu", type, 1),
            new MemoryContests.Loss(9, 501, "cpu", type, 1),
            new MemoryContests.Merge(1000, 3, "cpu", type, 1),
            new MemoryContests.Optimizer(1000, "cpu", 1),
            new DoorContest(),
            new ColdContest());
    for (Contest contest : all) {
      try (contest) {
        contest.check();
      }
    }
  }

  @ParameterizedTest
  @EnumSource(TokenizeContest.Kind.class)
  void tokenizersAgreeWithHuggingFace(TokenizeContest.Kind kind) {
    assumeTrue(TokenizeContest.hasData(), "no staged data: set HEDDLE_DATA");
    try (TokenizeContest contest = new TokenizeContest(kind)) {
      assertEquals(List.of("heddle", "huggingface", "tokenizer.json"), contest.names());
      contest.check();
      assertTrue(contest.bytes() > 900_000, contest.shape());
    }
  }

  @Test
  void aWrongAnswerIsFound() {
    try (Contest contest = new GemmContest(8, 8, 8, "cpu", DType.F32, 1)) {
      contest.enter(Contestant.of("wrong", () -> {}, () -> new double[64]));
      String message =
          String.valueOf(assertThrows(IllegalStateException.class, contest::check).getMessage());
      assertTrue(message.contains("wrong") && message.contains("differ"), message);
    }
  }

  @Test
  void aMissingContestantIsNamed() {
    try (Contest contest = new DoorContest()) {
      assertThrows(IllegalArgumentException.class, () -> contest.contestant("nobody"));
    }
  }

  @Test
  void rowsAndReport(@TempDir Path folder) throws Exception {
    try (Contest contest = attention("causal", false, DType.F32)) {
      List<Row> rows = new Referee(3, 0.001, 1).judge(contest, "cpu");
      assertEquals(1, rows.size());
      Row row = rows.getFirst();
      assertTrue(row.oursMs() > 0 && row.peerMs() > 0 && row.ratio() > 0, row.toJson());
      assertTrue(row.share() > 0, row.toJson());
      assertTrue(row.toJson().contains("\"peer\":\"libtorch\""), row.toJson());
      // Pairs of a causal mask: 130 * 131 / 2 per head.
      assertEquals(4.0 * 32 * 2 * 4 * 130 * 131 / 2, contest.flops());
      new BenchFolder(folder, "bench attention").add("attention", rows);
      try (Stream<Path> files = Files.list(folder)) {
        assertEquals(
            List.of("command.txt", "report.html", "rows.jsonl", "table.md"),
            files.map(f -> f.getFileName().toString()).sorted().toList());
      }
    }
  }

  @Test
  void ceilingsAreThere() {
    Machine machine = new Machine(1);
    assertTrue(machine.ceiling(Contest.Bound.F32) > 1);
    assertTrue(machine.ceiling(Contest.Bound.MEMORY) > 0.1);
    assertEquals(0, machine.ceiling(Contest.Bound.NONE));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "attention",
        "step",
        "decode",
        "gemm",
        "norm",
        "loss",
        "optimizer",
        "merge",
        "merge-files",
        "tokenize",
        "door",
        "cold"
      })
  void everyWorkHasContests(String work) {
    List<DType> types = List.of(DType.F32, DType.BF16);
    int few = Contests.of(work, types, "cpu", 1, true).size();
    List<Contests.Entry> all = Contests.of(work, types, "cpu", 1, false);
    assertTrue(few >= 1 && few <= all.size());
    assertEquals(all.size(), all.stream().map(Contests.Entry::name).distinct().count());
  }
}
