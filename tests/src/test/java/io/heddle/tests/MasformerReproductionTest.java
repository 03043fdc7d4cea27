package io.heddle.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.heddle.backend.Backend;
import io.heddle.backend.BackendOptions;
import io.heddle.backend.Backends;
import io.heddle.methods.longrange.MasformerReproduction;
import io.heddle.methods.longrange.RecallFindings;
import io.heddle.methods.longrange.RecallPlan;
import io.heddle.methods.longrange.TextFindings;
import io.heddle.methods.longrange.TextPlan;
import io.heddle.methods.longrange.TextReproduction;
import io.heddle.models.Schedule.Placement;
import io.heddle.progress.ProgressListener;
import io.heddle.tensor.DType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The reproduction of MASFormer in seconds. */
class MasformerReproductionTest {
  private static final RecallPlan TINY =
      new RecallPlan("tiny", 4, 8, 2, 8, 96, 12, 2, 5, 1e-2f, 1, 40, 8, 2, 1e-3f, 128);

  private static MasformerReproduction reproduction(
      Backend backend, Path root, ProgressListener progress) {
    return new MasformerReproduction(TINY, List.of(1L, 2L), backend, root, progress);
  }

  /** Everything but seconds. */
  private static String values(Path root) throws IOException {
    JsonNode json = new ObjectMapper().readTree(root.resolve("results.json").toFile());
    json.findParents("seconds").forEach(node -> ((ObjectNode) node).remove("seconds"));
    ((ObjectNode) json).remove("clock");
    json.path("claims")
        .forEach(
            claim -> {
              if (claim.path("claim").asText().startsWith("measured")) {
                ((ObjectNode) claim).removeAll();
              }
            });
    return json.toString();
  }

  @Test
  void allOfItAndThenInterrupted(@TempDir Path folder) throws IOException {
    try (Backend backend = Backends.open("auto", new BackendOptions(0, 1))) {
      Path whole = folder.resolve("whole");
      List<RecallFindings> findings =
          Objects.requireNonNull(reproduction(backend, whole, ProgressListener.NONE).run());
      assertEquals(2, findings.size());
      check(findings.getFirst());
      String markdown = Files.readString(whole.resolve("results.md"));
      assertTrue(markdown.contains("mean of 2 seeds"), markdown);
      assertTrue(markdown.contains("| 2 full at bottom, rest block | FFBB | 0.5"), markdown);
      assertTrue(markdown.contains("within 2 points of chance"), markdown);
      // The oracle is not timed.
      boolean timed = !backend.name().equals("reference");
      assertEquals(timed, markdown.contains("| window:16 | 128 | 0.2"), markdown);
      assertTrue(Files.readString(whole.resolve("report.html")).contains("<svg"));
      assertFalse(Files.exists(whole.resolve("seed-1/full/checkpoint")));

      // Stopped in the middle of the first conversion; then again, to the same numbers.
      Path parts = folder.resolve("parts");
      Stopping progress = new Stopping();
      MasformerReproduction stopped = reproduction(backend, parts, progress);
      progress.target = stopped;
      assertNull(stopped.run());
      assertFalse(Files.exists(parts.resolve("results.json")));
      assertTrue(Files.exists(parts.resolve("seed-1/full-at-half-length/result.json")));
      assertTrue(Files.exists(parts.resolve("seed-1/converted-to-full/checkpoint")));
      long before = Files.getLastModifiedTime(parts.resolve("seed-1/full/result.json")).toMillis();
      assertNotNull(reproduction(backend, parts, ProgressListener.NONE).run());
      assertEquals(values(whole), values(parts));
      assertEquals(
          before, Files.getLastModifiedTime(parts.resolve("seed-1/full/result.json")).toMillis());
    }
  }

  private static void check(RecallFindings f) {
    assertEquals(1, f.row(RecallFindings.FULL).pairs());
    assertEquals("BBBB", f.row("block").letters());
    assertEquals(13.0 / 97, f.row("block").pairs(), 1e-12);
    assertEquals("WWWF", f.row("1 full at top, rest window").letters());
    assertEquals("FBFB", f.row("2 full at every, rest block").letters());
    assertEquals("BFFB", f.row("2 full at middle, rest block").letters());
    assertEquals((2 * 97 + 2 * 13) / (4.0 * 97), f.row("2 full at top, rest block").pairs(), 1e-12);
    assertEquals(5, f.conversions().size());
    f.rows().forEach(row -> assertTrue(row.recall() >= 0 && row.recall() <= 1, row.toString()));
    f.rows().forEach(row -> assertTrue(Double.isFinite(row.perplexity()), row.toString()));
  }

  @Test
  void textToo(@TempDir Path folder) throws IOException {
    Path text = Files.writeString(folder.resolve("words.txt"), SmallRun.text(3000));
    TextPlan plan =
        new TextPlan(
            4, 16, 2, 300, 160, "window:8", Placement.TOP, 2, 4, 1e-2f, DType.F32, 0.1, 0.4, 3);
    try (Backend backend = Backends.open("auto", new BackendOptions(0, 1))) {
      Path out = folder.resolve("out");
      TextFindings f =
          Objects.requireNonNull(
                  new TextReproduction(plan, text, List.of(3L), backend, out, ProgressListener.NONE)
                      .run())
              .getFirst();
      assertEquals("WWWF", f.row(TextFindings.MIXED).letters());
      TextFindings.Row full = f.row(TextFindings.FULL);
      TextFindings.Row sparse = f.row(TextFindings.SPARSE);
      assertEquals(1, full.pairs());
      assertEquals(1, full.predicted());
      assertTrue(sparse.pairs() < 0.25 && sparse.predicted() < 1);
      for (TextFindings.Losses of :
          List.of(full.near(), full.far(), full.outside(), full.quoted())) {
        assertTrue(of.count() > 0 && of.mean() > 0, of.toString());
      }
      assertTrue(full.near().count() + full.far().count() <= full.all().count());
      assertTrue(full.outside().count() < full.far().count());
      assertEquals(full.far().counts(), sparse.far().counts());
      assertEquals(full.quoted().counts(), sparse.quoted().counts());
      String markdown = Files.readString(out.resolve("results.md"));
      assertTrue(markdown.contains("60 % of the attention cost is cut"), markdown);
      assertTrue(markdown.contains("quotations that no sparse layer leads to"), markdown);
      // Done: the same command reads what is there, and measures nothing again.
      String log = Files.readString(out.resolve("seed-3/evaluations.jsonl"));
      new TextReproduction(plan, text, List.of(3L), backend, out, ProgressListener.NONE).run();
      assertEquals(log, Files.readString(out.resolve("seed-3/evaluations.jsonl")));
    }
  }

  /** Stops the reproduction after the first step of the first conversion. */
  private static final class Stopping implements ProgressListener {
    private static final int PATTERNS = 12; // from scratch, and the start of the conversions

    private @Nullable MasformerReproduction target;

    @Override
    public void begin(String task, long total, String unit) {}

    @Override
    public void advance(long done, String message) {
      MasformerReproduction running = target;
      if (done == PATTERNS * TINY.steps() + 1 && running != null) {
        running.stop();
      }
    }

    @Override
    public void end(String message) {}
  }
}
