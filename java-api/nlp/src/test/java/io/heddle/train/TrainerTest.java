package io.heddle.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.backend.reference.ReferenceBackend;
import io.heddle.nn.Parameters;
import io.heddle.progress.ProgressListener;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import io.heddle.train.Recipe.Averaging;
import io.heddle.train.Recipe.Rule;
import io.heddle.train.TrainConfig.Decay;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * What the loop leaves: the best of several evaluations, averages, and the same after a stop. The
 * "model" is one number that every step moves by the rate: after n steps it is n.
 */
class TrainerTest {
  private final ReferenceBackend backend = new ReferenceBackend();
  private final List<Parameters> open = new ArrayList<>();
  private final List<Double> evaluated = new ArrayList<>();

  private final Path folder;

  TrainerTest(@TempDir Path folder) {
    this.folder = folder;
  }

  @AfterEach
  void close() {
    open.forEach(Parameters::close);
    backend.close();
  }

  private Parameters number(DType dtype) {
    Parameters p = new Parameters(backend, dtype);
    p.constant("n", 0, 1);
    open.add(p);
    return p;
  }

  private static TrainConfig config(long steps, int patience, Recipe recipe) {
    return new TrainConfig(
        steps,
        1,
        1,
        0,
        Decay.CONSTANT,
        1,
        0.9f,
        0.99f,
        1e-8f,
        0,
        false,
        0,
        1,
        2,
        2,
        patience,
        recipe.with(new Rule.Sgd(0, false)));
  }

  // Evaluated every two steps; the loss of n steps is given.
  private Trainer.Result run(Parameters p, TrainConfig config, int stopAfter, double... losses) {
    Trainer[] trainer = new Trainer[1];
    trainer[0] = new Trainer(config, new RunDirectory(folder), ProgressListener.NONE);
    Objective<Long> forward =
        (t, number, scale) -> {
          Tensor grad = java.util.Objects.requireNonNull(p.get("n").grad());
          assertEquals(0, t.kept(grad));
          grad.copyFrom(new float[] {-1});
          if (number + 1 == stopAfter) {
            trainer[0].stop();
          }
          return new Objective.Loss(1, 1);
        };
    Evaluation evaluation =
        progress -> {
          evaluated.add(p.get("n").get(0));
          return Map.of("loss", losses[evaluated.size() - 1]);
        };
    return trainer[0].fit("count", p, n -> n, forward, evaluation);
  }

  @Test
  void theBestIsKeptAndAStoppedRunStaysStopped() {
    Parameters p = number(DType.F32);
    TrainConfig config = config(20, 2, Recipe.ADAMW);
    double[] losses = {5, 3, 4, 4};
    Trainer.Result result = run(p, config, 0, losses);
    assertTrue(result.finished());
    assertEquals(8, result.steps());
    assertEquals(4, p.get("n").get(0));
    // Once more: nothing is trained, nothing is evaluated, the best is there.
    Parameters again = number(DType.F32);
    Trainer.Result second = run(again, config, 0, losses);
    assertTrue(second.finished());
    assertEquals(8, second.steps());
    assertEquals(4, again.get("n").get(0));
    assertEquals(4, evaluated.size());
  }

  @Test
  void anInterruptedRunGoesOnWithItsPatience() {
    TrainConfig config = config(20, 2, Recipe.ADAMW);
    double[] losses = {5, 3, 4, 4};
    Parameters p = number(DType.F32);
    assertFalse(run(p, config, 7, losses).finished());
    Parameters again = number(DType.F32);
    Trainer.Result result = run(again, config, 0, losses);
    assertEquals(8, result.steps());
    assertEquals(4, again.get("n").get(0));
    assertEquals(List.of(2.0, 4.0, 6.0, 8.0), evaluated);
  }

  @Test
  void averagesAreEvaluatedAndLeftAndSurviveAStop() {
    // Means of 3..6 and so on: from step 2 on n = 3, 4, 5, 6.
    TrainConfig config = config(6, 0, Recipe.ADAMW.with(Averaging.mean(2)));
    double[] losses = {1, 1, 1};
    Parameters p = number(DType.F32);
    assertFalse(run(p, config, 5, losses).finished());
    assertEquals(5, p.get("n").get(0));
    Parameters again = number(DType.F32);
    assertTrue(run(again, config, 0, losses).finished());
    assertArrayEquals(
        new double[] {2, 3.5, 4.5}, evaluated.stream().mapToDouble(x -> x).toArray(), 1e-6);
    assertEquals(4.5, again.get("n").get(0), 1e-6);
  }

  @Test
  void aTriggeredMeanBeginsWithTheParametersAtItsTrigger() {
    // Losses 5, 4, 6: the third is above the one before it, so the mean is of n = 6, 7, ..., 10.
    TrainConfig config = config(10, 0, Recipe.ADAMW.with(Averaging.triggered(1, false)));
    Parameters p = number(DType.F32);
    assertTrue(run(p, config, 0, 5, 4, 6, 1, 1).finished());
    assertArrayEquals(
        new double[] {2, 4, 6, 7, 8}, evaluated.stream().mapToDouble(x -> x).toArray(), 1e-6);
    assertEquals(8, p.get("n").get(0), 1e-6);
  }

  @Test
  void sixteenBitParametersFollowTheirExactCopies() {
    // A bf16 number near 256 cannot be moved by 1 / 2; its f32 master can.
    Parameters p = number(DType.BF16);
    p.get("n").copyFrom(new float[] {256});
    TrainConfig half =
        new TrainConfig(
            8,
            1,
            0.5f,
            0,
            Decay.CONSTANT,
            1,
            0.9f,
            0.99f,
            1e-8f,
            0,
            false,
            0,
            1,
            0,
            0,
            0,
            Recipe.ADAMW.with(new Rule.Sgd(0, false)));
    run(p, half, 0, 1);
    assertEquals(260, p.get("n").get(0));
  }
}
