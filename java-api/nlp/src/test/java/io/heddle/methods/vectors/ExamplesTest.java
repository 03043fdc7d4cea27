package io.heddle.methods.vectors;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.data.Mix;
import io.heddle.data.vectors.Subwords;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** How a text becomes examples. */
class ExamplesTest {
  private static final int WORDS = 50;

  private static VectorConfig config(boolean cbow, double sample, Subwords grams) {
    return new VectorConfig(cbow, 10, 4, 5, sample, 0.05, 2, grams, 7);
  }

  // Word i has count WORDS - i, each passage is a run of all words.
  private static WordCorpus corpus() {
    CorpusReader reader = new CorpusReader(false, false);
    for (int p = 0; p < WORDS; p++) {
      StringBuilder line = new StringBuilder();
      for (int w = 0; w < WORDS - p; w++) {
        line.append("w").append(w).append(' ');
      }
      reader.line(line.toString());
    }
    return reader.corpus(1);
  }

  @Test
  void wordsAreOrderedByCountAndRareOnesLeave() {
    WordCorpus corpus = new CorpusReader(true, false).line("B a, a! c-b (b) \u00c9 x").corpus(2);
    assertEquals(List.of("b", "a"), corpus.words(), "three b, two a");
    assertEquals(8, corpus.tokens());
    assertEquals(5, corpus.kept());
    assertEquals(3, corpus.count(0));
    assertThrows(
        IllegalArgumentException.class, () -> new CorpusReader(true, false).line("a a").corpus(1));
  }

  @Test
  void passagesEndWithLinesOrParagraphs() {
    CorpusReader lines = new CorpusReader(true, false).line("a b").line("").line("c d").line("e");
    assertEquals(3, lines.corpus(1).passages());
    CorpusReader both = new CorpusReader(true, true).line("a b").line("c").line(" ").line("d");
    assertEquals(2, both.corpus(1).passages());
    CorpusReader one = new CorpusReader(true, false).line("a b ".repeat(1200));
    WordCorpus cut = one.corpus(1);
    assertEquals(3, cut.passages());
    assertEquals(WordCorpus.LONGEST_PASSAGE, cut.start(1));
  }

  @Test
  void skipGramPairsWordsWithinTheWindow() {
    WordCorpus corpus = corpus();
    Examples.Batch batch = new Examples(corpus, config(false, 0, Subwords.NONE)).batch(0);
    int examples = batch.rowPtr().length - 1;
    Map<Integer, Integer> reaches = new HashMap<>();
    for (int e = 0; e < examples; e++) {
      assertEquals(e, batch.rowPtr()[e], "one row each: the word");
      int centre = batch.rows()[e];
      int reach = 0;
      for (int t = batch.targetPtr()[e]; t < batch.targetPtr()[e + 1]; t++) {
        int distance = Math.abs(batch.targets()[t] - centre); // ids stand in order in each passage
        assertTrue(distance >= 1 && distance <= 4, "distance " + distance);
        reach = Math.max(reach, distance);
        for (int k = 0; k < 5; k++) {
          int negative = batch.negatives()[5 * t + k];
          assertTrue(negative >= -1 && negative < WORDS && negative != centre);
          assertFalse(negative == batch.targets()[t]);
        }
      }
      reaches.merge(reach, 1, Integer::sum);
    }
    assertEquals(Set.of(1, 2, 3, 4), reaches.keySet());
    for (int reach = 1; reach <= 4; reach++) {
      assertEquals(examples / 4.0, reaches.getOrDefault(reach, 0), 0.07 * examples);
    }
  }

  @Test
  void cbowFindsTheWordFromItsContext() {
    WordCorpus corpus = corpus();
    Subwords grams = new Subwords(2, 3, 30);
    Examples.Batch batch = new Examples(corpus, config(true, 0, grams)).batch(0);
    for (int e = 0; e < batch.rowPtr().length - 1; e++) {
      assertEquals(1, batch.targetPtr()[e + 1] - batch.targetPtr()[e]);
      int target = batch.targets()[e];
      Set<Integer> context = new HashSet<>();
      int gramRows = 0;
      int expected = 0;
      for (int r = batch.rowPtr()[e]; r < batch.rowPtr()[e + 1]; r++) {
        int row = batch.rows()[r];
        if (row < WORDS) {
          context.add(row);
          expected += grams.of(corpus.words().get(row)).length;
        } else {
          gramRows++;
        }
      }
      assertEquals(expected, gramRows);
      assertFalse(context.contains(target));
      for (int k = 0; k < 5; k++) {
        int negative = batch.negatives()[5 * e + k];
        assertFalse(negative == target || context.contains(negative));
      }
    }
  }

  @Test
  void frequentWordsAreThinnedOut() {
    CorpusReader reader = new CorpusReader(true, false);
    for (int i = 0; i < 20_000; i++) {
      reader.line("the the the " + (i % 2 == 0 ? "loom" : "warp"));
    }
    WordCorpus corpus = reader.corpus(1);
    VectorConfig config = config(false, 0.03, Subwords.NONE);
    Examples examples = new Examples(corpus, config);
    assertEquals(8, examples.perEpoch());
    long the = 0;
    for (int b = 0; b < examples.perEpoch(); b++) {
      for (int row : examples.batch(b).rows()) {
        the += row == 0 ? 1 : 0;
      }
    }
    // Kept with sqrt(0.03 / 0.75) = 0.2; a centre needs one more word of its four that is kept.
    double alone = 0.8 * 0.8 * (1 - Math.sqrt(0.03 / 0.125));
    assertEquals(60_000 * 0.2 * (1 - alone), (double) the, 400);
  }

  @Test
  void aBatchIsAFunctionOfItsNumber() {
    WordCorpus corpus = corpus();
    VectorConfig config = config(false, 0.01, Subwords.NONE);
    Examples.Batch first = new Examples(corpus, config).batch(1);
    Examples.Batch again = new Examples(corpus, config).batch(1);
    assertArrayEquals(first.targets(), again.targets());
    assertArrayEquals(first.negatives(), again.negatives());
    assertFalse(
        java.util.Arrays.equals(first.targets(), new Examples(corpus, config).batch(0).targets()));
  }

  @Test
  void theAliasTableDrawsInProportion() {
    double[] weights = {1, 0, 3, 0.5, 5.5};
    AliasTable table = new AliasTable(weights);
    Mix random = new Mix(3);
    int[] drawn = new int[5];
    for (int i = 0; i < 1_000_000; i++) {
      drawn[table.draw(random.next())]++;
    }
    assertEquals(0, drawn[1]);
    for (int i = 0; i < 5; i++) {
      assertEquals(weights[i] / 10, drawn[i] / 1e6, 2e-3);
    }
    assertThrows(IllegalArgumentException.class, () -> new AliasTable(new double[] {0, 0}));
    assertThrows(IllegalArgumentException.class, () -> new AliasTable(new double[] {1, -1}));
  }
}
