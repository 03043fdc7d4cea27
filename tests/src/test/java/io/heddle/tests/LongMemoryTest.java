package io.heddle.tests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.autograd.Randomness;
import io.heddle.autograd.Tape;
import io.heddle.models.Decoder;
import io.heddle.models.ModelConfig;
import io.heddle.models.Sampler;
import io.heddle.op.Losses;
import io.heddle.tensor.DType;
import io.heddle.tensor.Scope;
import io.heddle.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What a training step over a long row holds grows with the row and no faster. */
@NeedsNative
class LongMemoryTest {
  // The loss works on 1024 rows at a time: below that, there is no slope.
  private static final int SHORTEST = 2048;
  private static final int VOCABULARY = 16;

  /**
   * Bytes of a step.
   *
   * @param activations most bytes that activations and their gradients held
   * @param layouts bytes of the block lists, which stay with the model
   */
  private record Held(long activations, long layouts) {}

  private static Held step(Lab lab, String schedule, boolean recompute, int length) {
    ModelConfig shape = ModelConfig.llama(VOCABULARY, 32, 3, 2, 2, 48, length, schedule);
    try (Decoder model = Decoder.random(shape, lab.backend, DType.F32, 1)) {
      model.recompute(recompute);
      model.parameters().trainable();
      long before = Scope.openBytes();
      long peak;
      try (Tape t = new Tape(lab.backend, true, Randomness.NONE)) {
        Tensor ids = t.tensor(DType.I32, length).copyFrom(new int[length]);
        model.losses(t, model.hidden(t, ids, 1, null), ids, 1f / length);
        t.backward();
        peak = t.scope().peakBytes();
      }
      return new Held(peak, Scope.openBytes() - before);
    }
  }

  // A long row that could be trained on can be evaluated.
  @Test
  void evaluationHoldsLessThanTraining() {
    String schedule = "window:100,full@0";
    try (Lab lab = new Lab("cpu");
        Decoder model =
            Decoder.random(
                ModelConfig.llama(VOCABULARY, 32, 12, 2, 2, 48, SHORTEST, schedule),
                lab.backend,
                DType.F32,
                1)) {
      model.recompute(true);
      model.parameters().trainable();
      int[] tokens = IntStream.range(0, SHORTEST).map(i -> i * 7 % VOCABULARY).toArray();
      long[] peak = new long[2];
      double[] loss = new double[2];
      for (int i = 0; i < 2; i++) {
        try (Tape t = new Tape(lab.backend, i == 0, Randomness.NONE)) {
          Tensor ids = t.tensor(DType.I32, SHORTEST).copyFrom(tokens);
          loss[i] = Losses.sum(model.losses(t, model.hidden(t, ids, 1, null), ids, 1f));
          t.backward();
          peak[i] = t.scope().peakBytes();
        }
      }
      assertEquals(loss[0], loss[1]);
      assertTrue(peak[1] < peak[0], "evaluation " + peak[1] + " bytes, training " + peak[0]);

      // With a cache, whose layers share masks, tokens stay what they were.
      int[] prompt = Arrays.copyOf(tokens, 150);
      List<int[]> written = new ArrayList<>();
      for (boolean recompute : new boolean[] {true, false}) {
        model.recompute(recompute);
        model.prefill(64);
        written.add(new Sampler(Sampler.Options.GREEDY).generate(model, prompt, 10, token -> true));
      }
      assertArrayEquals(written.get(1), written.get(0));
    }
  }

  // From S to 2S tokens a straight line rises by half of what it rises by from 2S to 4S.
  private static void straight(String what, long one, long two, long four) {
    assertTrue(two > one && one > 0, what + ": " + one + " bytes, then " + two);
    assertEquals(2.0, (double) (four - two) / (two - one), 0.05, what);
  }

  @ParameterizedTest
  @CsvSource({"window:100, false", "window:100, true", "block:128/1, true", "full@0, true"})
  void onAStraightLine(String pattern, boolean recompute) {
    String schedule = pattern.startsWith("full") ? "window:100," + pattern : pattern;
    try (Lab lab = new Lab("cpu")) {
      Held[] held = new Held[3];
      for (int i = 0; i < held.length; i++) {
        held[i] = step(lab, schedule, recompute, SHORTEST << i);
      }
      straight(
          schedule + ", activations",
          held[0].activations,
          held[1].activations,
          held[2].activations);
      if (!schedule.contains("full")) {
        straight(schedule + ", layouts", held[0].layouts, held[1].layouts, held[2].layouts);
      }
      assertTrue(
          held[2].layouts < held[2].activations / 10,
          schedule + ": layouts hold " + held[2] + " bytes");
    }
  }
}
