package io.heddle.methods.longrange;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.data.Mix;
import io.heddle.data.TokenBatch;
import io.heddle.op.Losses;
import java.util.Arrays;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Quotations stand where they are said to, and nothing else changes. */
class QuotationsTest {
  private static final int LENGTH = 400;
  private static final int FIELD = 50;

  // Every token once: a token says where it came from.
  private static TokenBatch rows() {
    int[] ids = IntStream.range(0, 2 * LENGTH).toArray();
    int[] targets = IntStream.rangeClosed(1, 2 * LENGTH).toArray();
    targets[300] = Losses.IGNORE;
    return new TokenBatch(2, ids, targets, null);
  }

  @Test
  void passagesStandAgain() {
    TokenBatch plain = rows();
    Quotations.Quoted quoted =
        new Quotations(0.4, LENGTH, FIELD).in(plain, new Mix(7)); // 2.5 of them: 3
    TokenBatch batch = quoted.batch();
    assertArrayEquals(rows().ids(), plain.ids());
    int changed = 0;
    for (int i = 0; i < batch.ids().length; i++) {
      if (batch.ids()[i] != i) {
        changed++;
        assertTrue(i - batch.ids()[i] > FIELD, i + " holds " + batch.ids()[i]);
        assertEquals(i / LENGTH, batch.ids()[i] / LENGTH);
      }
      boolean last = i % LENGTH == LENGTH - 1;
      int next = i == 300 ? Losses.IGNORE : last ? i + 1 : batch.ids()[i + 1];
      assertEquals(next, batch.targets()[i], "after " + i);
    }
    assertEquals(2 * 3 * Quotations.LENGTH, changed);
    assertEquals(2 * 3 * (Quotations.LENGTH - Quotations.CUE), quoted.foretold().cardinality());
    quoted.foretold().stream()
        .filter(i -> i != 300)
        .forEach(i -> assertTrue(foretold(batch.ids(), i, batch.targets()[i]), "at " + i));
  }

  private static boolean foretold(int[] ids, int at, int next) {
    return IntStream.range(at / LENGTH * LENGTH, at - FIELD)
        .anyMatch(j -> ids[j] == ids[at] && ids[j + 1] == next);
  }

  @Test
  void drawnByTheirSeed() {
    Quotations of = new Quotations(0.2, LENGTH, FIELD);
    int[] first = of.in(rows(), new Mix(1)).batch().ids();
    assertArrayEquals(first, of.in(rows(), new Mix(1)).batch().ids());
    assertTrue(!Arrays.equals(first, of.in(rows(), new Mix(2)).batch().ids()));
  }

  @Test
  void noneOrTooMany() {
    assertTrue(new Quotations(0, 10, 100).none());
    String message =
        assertThrows(IllegalArgumentException.class, () -> new Quotations(0.5, 128, 60))
            .getMessage();
    assertTrue(String.valueOf(message).contains("rows of 128 tokens"), message);
  }
}
