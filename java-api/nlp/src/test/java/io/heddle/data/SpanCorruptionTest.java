package io.heddle.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import org.junit.jupiter.api.Test;

/** The layout of sentinels, and the numbers of T5's own code. */
class SpanCorruptionTest {
  private static final int VOCABULARY = 100;
  private static final int END = 1;

  private static final SpanCorruption RULE = SpanCorruption.t5(VOCABULARY, END, 7);

  /** Figure 2 of the paper: "Thank you [for inviting] me to your party [last] week". */
  @Test
  void thePapersExample() {
    int[] row = {10, 11, 12, 13, 14, 15, 16, 17, 18, 19};
    boolean[] hidden = new boolean[10];
    hidden[2] = true;
    hidden[3] = true;
    hidden[8] = true;
    SpanCorruption.Pair pair = RULE.corrupt(row, hidden);
    assertArrayEquals(new int[] {10, 11, 99, 14, 15, 16, 17, 98, 19, END}, pair.input());
    assertArrayEquals(new int[] {99, 12, 13, 98, 18, END}, pair.target());
  }

  // Puts what a target says back into its input.
  private static int[] restored(SpanCorruption.Pair pair, int length) {
    int[] out = new int[length];
    int at = 0;
    for (int id : Arrays.copyOf(pair.input(), pair.input().length - 1)) {
      if (id < VOCABULARY - 40) {
        out[at++] = id;
        continue;
      }
      int i = 0;
      while (pair.target()[i] != id) {
        i++;
      }
      for (i++; pair.target()[i] < VOCABULARY - 40 && pair.target()[i] != END; i++) {
        out[at++] = pair.target()[i];
      }
    }
    assertEquals(length, at);
    return out;
  }

  @Test
  void inputAndTargetTogetherAreTheRow() {
    for (int length : new int[] {2, 3, 4, 7, 20, 57, 200}) {
      for (int number = 0; number < 50; number++) {
        int[] row = new int[length];
        Arrays.setAll(row, i -> 2 + i % 50);
        boolean[] hidden = RULE.hidden(length, number);
        int noise = 0;
        int spans = 0;
        for (int i = 0; i < length; i++) {
          noise += hidden[i] ? 1 : 0;
          spans += hidden[i] && (i == 0 || !hidden[i - 1]) ? 1 : 0;
        }
        assertFalse(hidden[0], "a row begins with what is shown");
        assertTrue(hidden[length - 1], "and ends with what is hidden");
        assertEquals(Math.max(1, Math.round(length * 0.15)), noise, "hidden of " + length);
        assertEquals(Math.max(1, Math.round(noise / 3.0)), spans, "spans of " + length);
        SpanCorruption.Pair pair = RULE.corrupt(row, number);
        assertArrayEquals(row, restored(pair, length));
        assertEquals(length - noise + spans + 1, pair.input().length);
        assertEquals(noise + spans + 1, pair.target().length);
      }
    }
  }

  /** Every composition is as likely: the mean span is what was asked for, and lengths vary. */
  @Test
  void drawsDependOnSeedAndNumberAndAreSpread() {
    assertArrayEquals(RULE.hidden(90, 4), RULE.hidden(90, 4));
    assertFalse(Arrays.equals(RULE.hidden(90, 4), RULE.hidden(90, 5)));
    assertFalse(
        Arrays.equals(RULE.hidden(90, 4), SpanCorruption.t5(VOCABULARY, END, 8).hidden(90, 4)));
    int[] counts = new int[200];
    for (int number = 0; number < 4000; number++) {
      boolean[] hidden = RULE.hidden(200, number);
      for (int i = 0; i < 200; i++) {
        counts[i] += hidden[i] ? 1 : 0;
      }
    }
    // 30 of 200 are hidden; away from the ends every place is hidden about as often.
    for (int i = 50; i < 150; i++) {
      assertEquals(0.15, counts[i] / 4000.0, 0.035, "place " + i);
    }
  }

  /** compute_input_and_target_lengths(512, 0.15, 3) of T5 gives 568 and 114. */
  @Test
  void lengthsAreThoseOfT5() {
    assertEquals(new SpanCorruption.Lengths(568, 114), RULE.lengths(512));
    SpanCorruption.Lengths small = RULE.lengths(30);
    int[] row = new int[small.row()];
    SpanCorruption.Pair pair = RULE.corrupt(row, 0);
    assertTrue(pair.input().length <= 30);
    assertEquals(small.target(), pair.target().length);
  }

  @Test
  void wrongNumbersAreRefused() {
    assertThrows(
        IllegalArgumentException.class, () -> new SpanCorruption(VOCABULARY, END, 1, 3, 0));
    assertThrows(
        IllegalArgumentException.class, () -> new SpanCorruption(VOCABULARY, END, 0.15, 0.5, 0));
    assertThrows(IllegalArgumentException.class, () -> RULE.hidden(1, 0));
    assertThrows(IllegalArgumentException.class, () -> RULE.lengths(2));
  }
}
