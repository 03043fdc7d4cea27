package io.heddle.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.backend.reference.ReferenceBackend;
import io.heddle.nn.Parameters;
import io.heddle.tensor.DType;
import io.heddle.train.Recipe.Averaging;
import io.heddle.train.Recipe.Group;
import io.heddle.train.Recipe.Plateau;
import io.heddle.train.TrainConfig.Decay;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Rates by step, triggers of averages and plateaus, groups by layer. */
class ScheduleTest {
  private static TrainConfig config(long steps, long warmup, Decay decay) {
    return new TrainConfig(
        steps, 1, 2, warmup, decay, 0.1f, 0.9f, 0.98f, 1e-9f, 0, false, 0, 1, 0, 0, 0);
  }

  @Test
  void inverseRootIsTheTransformersSchedule() {
    // base / sqrt(units) min(t^-1/2, t warmup^-3/2), t from 1 on, whose peak is at t = warmup.
    TrainConfig c = config(1000, 40, Decay.INVERSE_ROOT);
    double base = 2 * Math.sqrt(40);
    for (int t : new int[] {1, 7, 39, 40, 41, 100, 1000}) {
      double expected = base * Math.min(Math.pow(t, -0.5), t * Math.pow(40, -1.5));
      assertEquals(expected, c.rate(t - 1), 1e-6);
    }
    assertEquals(2 / Math.sqrt(9), config(10, 0, Decay.INVERSE_ROOT).rate(8), 1e-6);
  }

  @Test
  void anotherWarmup() {
    TrainConfig usual = TrainConfig.of(100, 2, 1);
    assertEquals(2f / 5, usual.rate(0));
    assertEquals(2, usual.warmup(0).rate(0));
    assertEquals(usual, usual.warmup(0).warmup(5));
  }

  @Test
  void bertFallsOnOneLineOverTheWholeRunAndJumpsAfterTheWarmup() {
    TrainConfig c = config(100, 10, Decay.BERT);
    assertEquals(2, c.rate(9), 1e-6);
    assertEquals(2 * 0.9, c.rate(10), 1e-6);
    assertEquals(2 * 0.01, c.rate(99), 1e-6);
  }

  @Test
  void restartsReachThePeakFourTimes() {
    TrainConfig c = config(401, 0, Decay.RESTARTS);
    for (long step : new long[] {0, 100, 200, 300}) {
      assertEquals(2, c.rate(step), 1e-6, "step " + step);
      assertEquals(2 * 0.55, c.rate(step + 50), 1e-3, "half-way after step " + step);
    }
    assertEquals(0.2, c.rate(400), 1e-6);
  }

  @Test
  void halvesFromTwoThirdsOn() {
    TrainConfig c = config(120, 0, Decay.HALVES);
    assertEquals(2, c.rate(78), 1e-6);
    assertEquals(1, c.rate(79), 1e-6);
    assertEquals(1, c.rate(88), 1e-6);
    assertEquals(0.5, c.rate(89), 1e-6);
    assertEquals(2 / 32.0, c.rate(119), 1e-6);
  }

  @Test
  void stableFallsInTheLastFifth() {
    TrainConfig c = config(101, 0, Decay.STABLE);
    assertEquals(2, c.rate(80), 1e-6);
    assertEquals(2 * 0.55, c.rate(90), 1e-6);
    assertEquals(0.2, c.rate(100), 1e-6);
  }

  @Test
  void averagingIsTriggeredByALossAboveItsForerunners() {
    List<Double> losses = List.of(5.0, 4.0, 3.0, 3.5);
    Averaging recent = Averaging.triggered(2, false);
    assertFalse(recent.triggeredBy(losses.subList(0, 3)));
    assertTrue(recent.triggeredBy(losses));
    // As published the last two evaluations do not count: 3.5 is held against 5 alone.
    Averaging published = Averaging.triggered(2, true);
    assertFalse(published.triggeredBy(losses));
    assertTrue(published.triggeredBy(List.of(5.0, 4.0, 3.0, 3.5, 4.5)));
    // "After more than n evaluations": two before are not enough for n = 2.
    assertFalse(recent.triggeredBy(List.of(1.0, 2.0, 3.0)));
    assertThrows(IllegalArgumentException.class, () -> Averaging.triggered(0, false));
  }

  @Test
  void aPlateauLowersTheRateAgainAndAgain() {
    Recipe recipe = Recipe.ADAMW.with(new Plateau(2, 0.5f));
    Checkpoints.Progress at = Checkpoints.Progress.START;
    double[] losses = {3, 4, 4, 2, 3, 3, 3, 3};
    double[] rates = {1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.125};
    for (int i = 0; i < losses.length; i++) {
      at = at.evaluated(losses[i], recipe);
      assertEquals(rates[i], at.rate(), 0, "after evaluation " + i);
    }
    assertEquals(2, at.best());
    assertEquals(4, at.stale());
  }

  @Test
  void ratesFallWithEveryLayerFromTheTop() {
    try (ReferenceBackend backend = new ReferenceBackend();
        Parameters p = new Parameters(backend, DType.F32)) {
      p.make("embed.weight", 2, 2);
      p.make("embed.norm.weight", 2);
      p.make("layers.0.qkv.weight", 2, 2);
      p.make("layers.1.qkv.weight", 2, 2);
      p.make("classifier.weight", 2, 2);
      Recipe recipe = Recipe.ADAMW.with(Group.layerwise(2, 0.5));
      double[] expected = {0.125, 0.125, 0.25, 0.5, 1};
      int i = 0;
      for (String name : p.byName().keySet()) {
        assertEquals(expected[i++], recipe.group(p.get(name)).rate(), 0, name);
      }
    }
  }
}
