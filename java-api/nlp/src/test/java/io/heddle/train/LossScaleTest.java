package io.heddle.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.heddle.backend.reference.ReferenceBackend;
import io.heddle.nn.Modules;
import io.heddle.nn.Parameters;
import io.heddle.op.Layers;
import io.heddle.op.Losses;
import io.heddle.progress.ProgressListener;
import io.heddle.tensor.DType;
import io.heddle.tensor.Scope;
import io.heddle.tensor.Tensor;
import io.heddle.train.Recipe.Rule;
import io.heddle.train.Recipe.Scaling;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Loss scaling: its rules, a small net in f16 beside the same in f32, and a run that resumes. */
class LossScaleTest {
  private static final int ROWS = 32;
  private static final int INPUTS = 6;
  private static final int INNER = 8;
  private static final int CLASSES = 3;

  private final Path folder;

  LossScaleTest(@TempDir Path folder) {
    this.folder = folder;
  }

  private static void net(Parameters p) {
    Modules.linear(p, "a", 0.4, 1, true, INNER, INPUTS);
    Modules.linear(p, "b", 0.4, 1, true, CLASSES, INNER);
  }

  /** Points, whose class is that of the largest of three of their features. */
  @SuppressWarnings("ArrayRecordComponent") // never compared
  private record Batch(List<double[]> points, int[] classes) {
    static Batch of(long number) {
      SplittableRandom random = new SplittableRandom(number);
      List<double[]> points = new ArrayList<>();
      int[] classes = new int[ROWS];
      for (int i = 0; i < ROWS; i++) {
        double[] x = random.doubles(INPUTS, -1, 1).toArray();
        points.add(x);
        classes[i] = x[0] > x[1] ? (x[0] > x[2] ? 0 : 2) : (x[1] > x[2] ? 1 : 2);
      }
      return new Batch(points, classes);
    }
  }

  private static Objective<Batch> objective(Parameters p) {
    return (t, batch, gradScale) -> {
      double[] flat = batch.points.stream().flatMapToDouble(Arrays::stream).toArray();
      Tensor x = t.tensor(p.dtype(), ROWS, INPUTS).copyFrom(flat);
      Tensor inner = Layers.activation(t, 5, Modules.linear(t, p, "a", x), null);
      Tensor targets = t.tensor(DType.I32, ROWS).copyFrom(batch.classes);
      Tensor losses =
          Losses.linearCrossEntropy(
              t, inner, p.get("b.weight"), p.get("b.bias"), targets, 0, gradScale / ROWS);
      return new Objective.Loss(Losses.sum(losses), ROWS);
    };
  }

  private List<JsonNode> run(DType dtype, Rule rule, Scaling scaling, long steps, Path to) {
    TrainConfig config =
        new TrainConfig(
            steps,
            1,
            rule instanceof Rule.Sgd ? 0.5f : 0.05f,
            0,
            TrainConfig.Decay.CONSTANT,
            1,
            0.9f,
            0.99f,
            1e-8f,
            0,
            false,
            1,
            1,
            0,
            0,
            0,
            Recipe.ADAMW.with(rule).with(scaling));
    RunDirectory directory = new RunDirectory(to);
    try (ReferenceBackend backend = new ReferenceBackend();
        Parameters p = new Parameters(backend, dtype)) {
      net(p);
      new Trainer(config, directory, ProgressListener.NONE)
          .fit("test", p, Batch::of, objective(p), null);
    }
    return directory.lines("metrics.jsonl");
  }

  private static double late(List<JsonNode> lines) {
    return lines.stream()
        .skip(lines.size() - 20L)
        .mapToDouble(l -> l.get("loss").asDouble())
        .average()
        .orElseThrow();
  }

  @Test
  void curveInHalfPrecisionStaysBesideThatInSingle() {
    for (Rule rule : List.of(new Rule.Adam(true), new Rule.Sgd(0, false))) {
      String name = rule.getClass().getSimpleName();
      List<JsonNode> single = run(DType.F32, rule, Scaling.NONE, 120, folder.resolve("f32" + name));
      Scaling high = new Scaling(0x1p24, true);
      List<JsonNode> half = run(DType.F16, rule, high, 120, folder.resolve("f16" + name));
      assertFalse(half.getFirst().has("grad_norm"), "2^24 overflows in the first step");
      assertEquals(0x1p24, half.getFirst().get("loss_scale").asDouble());
      long skipped = half.stream().filter(l -> !l.has("grad_norm")).count();
      assertTrue(skipped < 10, skipped + " steps skipped");
      // Halved with each of them, but for one in a hundred that is tolerated.
      double last = half.getLast().get("loss_scale").asDouble();
      assertTrue(last < 0x1p22 && last >= 0x1p24 / (1 << skipped), "scale " + last);
      assertTrue(late(single) < 0.6 * single.getFirst().get("loss").asDouble(), "nothing learnt");
      assertEquals(late(single), late(half), 0.04, name);
    }
  }

  @Test
  void scaleIsPartOfACheckpoint() {
    Rule adam = new Rule.Adam(true);
    Scaling high = new Scaling(0x1p24, true);
    List<JsonNode> whole = run(DType.F16, adam, high, 12, folder.resolve("whole"));
    run(DType.F16, adam, high, 6, folder.resolve("parts"));
    assertEquals(whole, run(DType.F16, adam, high, 12, folder.resolve("parts")));
  }

  private static LossScale scale(Scope scope, double first, boolean dynamic) {
    return new LossScale(new Scaling(first, dynamic), scope);
  }

  @Test
  void rules() {
    try (ReferenceBackend backend = new ReferenceBackend();
        Scope scope = new Scope(backend.memory())) {
      LossScale scale = scale(scope, 1024, true);
      scale.update(true);
      assertEquals(512, scale.factor());
      for (int i = 0; i < 1999; i++) {
        scale.update(false);
      }
      assertEquals(512, scale.factor(), "1999 clean steps");
      scale.update(false);
      assertEquals(1024, scale.factor(), "2000 clean steps");
      for (int i = 0; i < 150; i++) {
        scale.update(false);
      }
      scale.update(true);
      assertEquals(1024, scale.factor(), "one in 151 is tolerated");
      scale.update(true);
      assertEquals(512, scale.factor(), "two in 152 are not");
      assertEquals(3, scale.skipped());
      LossScale fixed = scale(scope, 8, false);
      fixed.update(true);
      assertEquals(8, fixed.factor());
      LossScale low = scale(scope, 1, true);
      assertThrows(IllegalStateException.class, () -> low.update(true));
    }
  }
}
