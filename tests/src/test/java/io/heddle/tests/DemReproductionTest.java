package io.heddle.tests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.heddle.backend.Backend;
import io.heddle.backend.BackendOptions;
import io.heddle.backend.Backends;
import io.heddle.data.TokenBatch;
import io.heddle.methods.merge.DemReproduction;
import io.heddle.methods.merge.EditedModel;
import io.heddle.methods.merge.Findings;
import io.heddle.methods.merge.StudyPlan;
import io.heddle.methods.study.ModelRun;
import io.heddle.models.Decoder;
import io.heddle.models.ModelConfig;
import io.heddle.progress.ProgressListener;
import io.heddle.tensor.DType;
import io.heddle.train.TrainConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The reproduction of the Distribution Edited Model in seconds, and sources that come and go. */
class DemReproductionTest {
  private static final StudyPlan TINY =
      new StudyPlan("tiny", 16, 1, 2, 32, 4, 0, 6, 1e-2f, 2, 1e-2f, 64, 64, 2);

  private static DemReproduction reproduction(
      Backend backend, Path root, ProgressListener progress) {
    return new DemReproduction(
        TINY, DemReproduction.chains(), List.of(1L, 2L), backend, root, progress);
  }

  /** Everything but seconds. */
  private static String values(Path root) throws IOException {
    JsonNode json = new ObjectMapper().readTree(root.resolve("results.json").toFile());
    for (String key : new String[] {"seconds"}) {
      json.findParents(key)
          .forEach(node -> ((com.fasterxml.jackson.databind.node.ObjectNode) node).remove(key));
    }
    return json.toString();
  }

  @Test
  void allOfItAndThenInterrupted(@TempDir Path folder) throws IOException {
    try (Backend backend = Backends.open("auto", new BackendOptions(0, 1))) {
      Path whole = folder.resolve("whole");
      List<Findings> findings =
          Objects.requireNonNull(reproduction(backend, whole, ProgressListener.NONE).run());
      assertEquals(2, findings.size());
      check(findings.getFirst());
      String markdown = Files.readString(whole.resolve("results.md"));
      assertTrue(markdown.contains("DEM is below the base on the mean"), markdown);
      assertTrue(markdown.contains("\u00b1"), markdown);
      assertTrue(Files.readString(whole.resolve("report.html")).contains("<svg"));
      assertTrue(Files.exists(whole.resolve("seed-2/dem/model.safetensors")));
      assertFalse(Files.exists(whole.resolve("seed-1/base/checkpoint")));

      // Stopped after 20 steps, in the middle of a model; then again, to the same numbers.
      Path parts = folder.resolve("parts");
      Stopping progress = new Stopping();
      DemReproduction stopped = reproduction(backend, parts, progress);
      progress.target = stopped;
      assertNull(stopped.run());
      assertFalse(Files.exists(parts.resolve("results.json")));
      assertTrue(Files.exists(parts.resolve("seed-1/base/result.json")));
      long base = Files.getLastModifiedTime(parts.resolve("seed-1/base/result.json")).toMillis();
      assertNotNull(reproduction(backend, parts, ProgressListener.NONE).run());
      assertEquals(values(whole), values(parts));
      assertEquals(
          base, Files.getLastModifiedTime(parts.resolve("seed-1/base/result.json")).toMillis());
    }
  }

  private static void check(Findings f) {
    long one = TINY.tuneSteps() * TINY.rows() * TINY.length();
    assertEquals(4, f.sources().size());
    assertEquals(0, f.row(Findings.BASE).trained());
    assertEquals(one, f.row(Findings.MIX_SHORT).trained());
    assertEquals(4 * one, f.row(Findings.MIX_EQUAL).trained());
    assertEquals(4 * one, f.row(Findings.DEM).trained());
    assertTrue(f.row(Findings.DEM).scored() > 0);
    assertTrue(f.row(Findings.MIX_BUDGET).trained() > 4 * one);
    assertTrue(f.row(Findings.MIX_GRID).trained() <= f.row(Findings.MIX_BUDGET).trained());
    assertEquals(one, f.addition().trained());
    assertEquals(5, f.addition().weights().size());
    assertEquals(1, f.cosines().get(2).get(2), 1e-9);
    assertEquals(f.cosines().get(1).get(3), f.cosines().get(3).get(1));
    // The search saw the shared weights first, so it is at least as good as the best of them.
    assertTrue(
        validation(f, "shared weight, then coordinates") <= validation(f, "one shared weight"));
  }

  private static double validation(Findings f, String search) {
    return Objects.requireNonNull(f.searches().get(search)).validation();
  }

  private static final class Stopping implements ProgressListener {
    private @Nullable DemReproduction target;

    @Override
    public void begin(String task, long total, String unit) {}

    @Override
    public void advance(long done, String message) {
      DemReproduction running = target;
      if (done == 20 && running != null) {
        running.stop();
      }
    }

    @Override
    public void end(String message) {}
  }

  private static ModelRun.Trained tuned(
      Backend backend, Path folder, @Nullable Path base, int token) {
    ModelConfig shape = ModelConfig.llama(8, 16, 1, 2, 2, 32, 8, "full");
    int[] ids = new int[16];
    java.util.Arrays.fill(ids, token);
    TokenBatch batch = new TokenBatch(2, ids, ids.clone(), null);
    return Objects.requireNonNull(
        new ModelRun(folder, backend, ProgressListener.NONE)
            .fit("tune", shape, base, TrainConfig.of(3, 1e-2f, token), i -> batch, List.of()));
  }

  private static double[] numbers(Decoder model) {
    return model.parameters().values().stream()
        .flatMapToDouble(t -> java.util.Arrays.stream(t.toDoubles()))
        .toArray();
  }

  @Test
  void sourcesComeAndGoWithoutTraining(@TempDir Path folder) throws IOException {
    try (Backend backend = Backends.open("auto", new BackendOptions(0, 1))) {
      Path base = tuned(backend, folder.resolve("base"), null, 0).model();
      Path a = tuned(backend, folder.resolve("a"), base, 1).model();
      Path b = tuned(backend, folder.resolve("b"), base, 2).model();
      Path c = tuned(backend, folder.resolve("c"), base, 3).model();
      byte[] before = Files.readAllBytes(a.resolve("model.safetensors"));
      try (EditedModel model = new EditedModel(base, backend, DType.F32);
          EditedModel fresh = new EditedModel(base, backend, DType.F32)) {
        double[] bare = numbers(model.model());
        model.add("a", a, 0.5).add("b", b, 0.25);
        double[] two = numbers(model.model());
        model.add("c", c, 0.75);
        assertArrayEquals(two, numbers(model.with(0.5, 0.25, 0)));
        model.remove("b");
        assertEquals(List.of("a", "c"), List.copyOf(model.weights().keySet()));
        assertArrayEquals(
            numbers(fresh.add("a", a, 0.5).add("c", c, 0.75).model()), numbers(model.model()));
        assertThrows(IllegalArgumentException.class, () -> model.add("c", c, 1));
        assertThrows(IllegalArgumentException.class, () -> model.remove("b"));

        // A search from the present weights: the sum of squared weights wants them all 0.
        var search = model.search(m -> distance(numbers(m), bare), 40);
        assertTrue(search.evaluations() <= 40);
        assertEquals(0, model.weights().getOrDefault("a", Double.NaN), 0.2);
        model.remove("a").remove("c");
        assertArrayEquals(bare, numbers(model.model()));
        model.add("a", a, 1).save(folder.resolve("out"));
      }
      assertArrayEquals(before, Files.readAllBytes(a.resolve("model.safetensors")));
      assertTrue(Files.exists(folder.resolve("out/config.json")));
    }
  }

  private static double distance(double[] x, double[] y) {
    double sum = 0;
    for (int i = 0; i < x.length; i++) {
      sum += (x[i] - y[i]) * (x[i] - y[i]);
    }
    return sum;
  }
}
