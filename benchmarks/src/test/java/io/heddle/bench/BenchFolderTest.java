package io.heddle.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.report.LineChart;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A run that ends early, for whatever reason, keeps its rows, and goes on. */
class BenchFolderTest {
  private static final Row PRODUCT =
      new Row(
          "gemm", "cpu", "f32", "M8 N8 K8", 1, 0.5, "torch", 1, 2, 100, "GFLOP/s", 200, 16, 341.3);
  private static final Row MERGE =
      new Row("merge", "cpu", "f32", "P8", 1, 0.5, "", 0.5, 1, 10, "GB/s", 20, 16, 0.25);

  @TempDir Path folder = Path.of("");

  private final StringWriter said = new StringWriter();

  private static final class Plain extends Contest {
    Plain() {
      enter(Contestant.of(Contestant.OURS, () -> {}, () -> new double[] {1}));
    }

    @Override
    public String op() {
      return "plain";
    }

    @Override
    public String dtype() {
      return "f32";
    }

    @Override
    public String shape() {
      return "1";
    }

    @Override
    public Bound bound() {
      return Bound.NONE;
    }
  }

  private ContestRun run() {
    return new ContestRun(new Referee(1, 1e-6, 1), "cpu", null, new PrintWriter(said, true));
  }

  @Test
  void rowsComeBackAsTheyWere() throws IOException {
    new BenchFolder(folder, "bench all").add("a", List.of(PRODUCT, MERGE));
    BenchFolder again = new BenchFolder(folder, "bench all");
    assertTrue(again.has("a"));
    assertFalse(again.has("b"));
    assertEquals(List.of(PRODUCT, MERGE), again.rows());
    assertEquals(Row.table(List.of(PRODUCT, MERGE)), Files.readString(folder.resolve("table.md")));
    assertTrue(Files.size(folder.resolve("report.html")) > 1000);
  }

  @Test
  void aTornLineIsDroppedAndItsContestTakesPlaceAgain() throws IOException {
    BenchFolder first = new BenchFolder(folder, "bench all");
    first.add("a", List.of(PRODUCT));
    Files.writeString(folder.resolve("rows.jsonl"), "{\"op\":\"me", StandardOpenOption.APPEND);
    BenchFolder again = new BenchFolder(folder, "bench all");
    assertEquals(List.of(PRODUCT), again.rows());
    again.add("b", List.of(MERGE));
    assertEquals(2, new BenchFolder(folder, "bench all").rows().size());
  }

  @Test
  void rowsOfAnotherRunAreNotMixedIn() throws IOException {
    new BenchFolder(folder, "bench all --quick").add("a", List.of(PRODUCT));
    String message =
        String.valueOf(
            assertThrows(IOException.class, () -> new BenchFolder(folder, "bench all"))
                .getMessage());
    assertTrue(message.contains("holds rows of 'heddle bench all --quick'"), message);
  }

  @Test
  void whatFailedIsNamedAndTriedAgain() throws IOException {
    List<String> made = new ArrayList<>();
    Supplier<Contest> broken =
        () -> {
          made.add("broken");
          throw new IllegalStateException("no such peer");
        };
    Supplier<Contest> whole =
        () -> {
          made.add("whole");
          return new Plain();
        };
    List<Contests.Entry> contests =
        List.of(new Contests.Entry("x", broken), new Contests.Entry("y", whole));
    BenchFolder first = new BenchFolder(folder, "bench all");
    ContestRun run = run();
    assertEquals(1, run.run(contests, first, row -> {}).size());
    assertEquals(1, run.failed());
    assertTrue(said.toString().contains("FAILED: x: no such peer"), said::toString);
    BenchFolder again = new BenchFolder(folder, "bench all");
    assertEquals(1, run().run(contests, again, row -> {}).size());
    assertEquals(List.of("broken", "whole", "broken"), made);
  }

  @Test
  void theRooflineHasARoofAndPoints() {
    LineChart chart = BenchReport.roofline(List.of(PRODUCT, MERGE)).getFirst();
    assertEquals(List.of("f32 roof", "f32"), chart.names());
    assertTrue(BenchReport.roofline(List.of(PRODUCT)).isEmpty()); // no ceiling of memory
  }
}
