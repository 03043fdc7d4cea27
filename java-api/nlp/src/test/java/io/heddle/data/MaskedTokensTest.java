package io.heddle.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.op.Losses;
import io.heddle.progress.ProgressListener;
import io.heddle.text.BpeTrainer;
import io.heddle.text.Tokenizer;
import io.heddle.text.WordPieceTrainer;
import java.util.Arrays;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** The rates of masking, what is never chosen, and whole words. */
class MaskedTokensTest {
  private static final int MASK = 4;
  private static final int VOCABULARY = 1000;
  private static final Set<Integer> SPECIAL = Set.of(0, 1, 2);

  private static int[] row(int length, long seed) {
    Random random = new Random(seed);
    int[] row = random.ints(length, 5, VOCABULARY).toArray();
    row[0] = 1;
    row[length - 1] = 2;
    return row;
  }

  private static MaskedTokens rule(double rate, long seed) {
    return new MaskedTokens(MASK, VOCABULARY, SPECIAL, rate, null, seed);
  }

  @Test
  void everyRowHasItsShareAndTheNamedProportions() {
    int masked = 0;
    int kept = 0;
    int any = 0;
    int rows = 400;
    for (int r = 0; r < rows; r++) {
      int[] row = row(130, r);
      MaskedTokens.Masked m = rule(0.15, 3).mask(row, r);
      int chosen = 0;
      for (int i = 0; i < row.length; i++) {
        if (m.targets()[i] == Losses.IGNORE) {
          assertEquals(row[i], m.ids()[i], "what is not asked stays");
          continue;
        }
        chosen++;
        assertFalse(SPECIAL.contains(row[i]));
        assertEquals(row[i], m.targets()[i]);
        masked += m.ids()[i] == MASK ? 1 : 0;
        kept += m.ids()[i] == row[i] ? 1 : 0;
        any += m.ids()[i] != MASK && m.ids()[i] != row[i] ? 1 : 0;
      }
      assertEquals(19, chosen, "round(0.15 * 128)");
    }
    int all = rows * 19;
    // Four standard deviations of a count of 7600.
    assertEquals(0.8 * all, masked, 4 * Math.sqrt(0.16 * all));
    assertEquals(0.1 * all, kept, 4 * Math.sqrt(0.09 * all));
    assertEquals(0.1 * all, any, 4 * Math.sqrt(0.09 * all));
  }

  @Test
  void seedAndNumberFixTheDraw() {
    int[] row = row(64, 1);
    assertArrayEquals(rule(0.15, 3).mask(row, 5).ids(), rule(0.15, 3).mask(row, 5).ids());
    assertFalse(
        Arrays.equals(rule(0.15, 3).mask(row, 5).targets(), rule(0.15, 3).mask(row, 6).targets()));
    assertFalse(
        Arrays.equals(rule(0.15, 3).mask(row, 5).targets(), rule(0.15, 4).mask(row, 5).targets()));
  }

  @Test
  void aShortRowHasOneTargetAndAnEmptyOneNone() {
    int[] one = {1, 77, 2};
    assertEquals(77, rule(0.15, 1).mask(one, 0).targets()[1]);
    int[] none = {1, 2, 0, 0};
    assertArrayEquals(none, rule(0.15, 1).mask(none, 0).ids());
  }

  /** A word is hidden with all of its tokens or with none. */
  @Test
  void wordsAreHiddenWhole() {
    String text = "unweavable threads interlacing shuttles reweave the overspun loom ";
    Tokenizer[] all = {
      new WordPieceTrainer(60, true, ProgressListener.NONE).add(text).train(),
      new BpeTrainer(270, ProgressListener.NONE).add(text).train()
    };
    for (Tokenizer tokenizer : all) {
      WordStarts words = new WordStarts(tokenizer);
      int[] row = tokenizer.encode(text.repeat(20));
      MaskedTokens rule = new MaskedTokens(0, tokenizer.vocabularySize(), Set.of(0), 0.3, words, 9);
      int parts = 0;
      int chosen = 0;
      int longest = 0;
      for (int r = 0; r < 20; r++) {
        int[] targets = rule.mask(row, r).targets();
        int run = 0;
        for (int i = 0; i < row.length; i++) {
          chosen += targets[i] == Losses.IGNORE ? 0 : 1;
          run = i == 0 || words.begins(row[i]) ? 1 : run + 1;
          longest = Math.max(longest, run);
          if (i > 0 && !words.begins(row[i])) {
            parts++;
            assertEquals(
                targets[i - 1] == Losses.IGNORE, targets[i] == Losses.IGNORE, "token " + i);
          }
        }
      }
      assertTrue(parts > 100, "words have parts, or nothing is shown");
      // Words that would be too much are passed over, so that less than one is missing.
      int wanted = 20 * (int) Math.round(0.3 * row.length);
      assertTrue(chosen <= wanted && chosen > wanted - 20 * longest, chosen + " of " + wanted);
    }
  }

  @Test
  void wrongNumbersAreRefused() {
    assertThrows(IllegalArgumentException.class, () -> rule(0, 1));
    assertThrows(IllegalArgumentException.class, () -> rule(1, 1));
    assertThrows(
        IllegalArgumentException.class,
        () -> new MaskedTokens(VOCABULARY, VOCABULARY, SPECIAL, 0.15, null, 1));
  }
}
