package io.heddle.methods.lm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class NeuralCacheTest {
  @Test
  void byHand() {
    NeuralCache cache = new NeuralCache(new NeuralCache.Options(2, 0.5, 0.25, false));
    float[] states = {9, 1, 2, 9, 0, 1, 9, 2, 0, 9, 1, 1};
    double half = Math.log(2);
    // Nothing is remembered yet: the model's own.
    assertEquals(half, cache.loss(states, 1, 2, 7, half), 1e-12);
    // One step is, and its word is 7.
    assertEquals(-Math.log(0.75 * 0.5 + 0.25), cache.loss(states, 4, 2, 7, half), 1e-12);
    // Scores 0.5 (2 0 + 0 0): h = (2, 0) against (1, 2) gives 1, against (0, 1) gives 0.
    assertEquals(-Math.log(0.75 * 0.5), cache.loss(states, 7, 2, 3, half), 1e-12);
    // The first step has left the window: (0, 1) followed by 7, (2, 0) by 3; h = (1, 1).
    double share = Math.exp(0.5) / (Math.exp(0.5) + Math.exp(1));
    assertEquals(-Math.log(0.75 * 0.5 + 0.25 * share), cache.loss(states, 10, 2, 7, half), 1e-12);
    cache.clear();
    assertEquals(half, cache.loss(states, 1, 2, 7, half), 1e-12);
  }

  @Test
  void aFullWindowMayBeWaitedFor() {
    NeuralCache cache = new NeuralCache(new NeuralCache.Options(2, 1, 0.5, true));
    float[] state = {1};
    assertEquals(1, cache.loss(state, 0, 1, 4, 1));
    assertEquals(1, cache.loss(state, 0, 1, 4, 1));
    assertTrue(cache.loss(state, 0, 1, 4, 1) < 1);
  }

  // A model that knows no more than that all of 50 words are alike.
  private static double mean(boolean shuffled) {
    SplittableRandom random = new SplittableRandom(1);
    NeuralCache cache = new NeuralCache(new NeuralCache.Options(100, 0, 0.2, false));
    double sum = 0;
    int topic = 0;
    for (int i = 0; i < 4000; i++) {
      if (i % 100 == 0) {
        topic = random.nextInt(10);
      }
      int word = shuffled ? random.nextInt(50) : 5 * topic + random.nextInt(5);
      sum += cache.loss(new float[] {1}, 0, 1, word, Math.log(50));
    }
    return sum / 4000;
  }

  @Test
  void burstsHelpAndShuffledWordsDoNot() {
    assertTrue(Math.exp(mean(false)) < 0.9 * 50, "perplexity " + Math.exp(mean(false)));
    assertTrue(Math.exp(mean(true)) > 0.98 * 50, "perplexity " + Math.exp(mean(true)));
  }

  @Test
  void settingsAreChecked() {
    assertThrows(IllegalArgumentException.class, () -> new NeuralCache.Options(0, 1, 0.1, false));
    assertThrows(IllegalArgumentException.class, () -> new NeuralCache.Options(9, 1, 1, false));
  }
}
