package io.heddle.methods.longrange;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.methods.longrange.Evidence.Kind;
import io.heddle.models.Schedule;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What a row says of its next tokens, and what a paired difference is. */
class EvidenceTest {
  private static Kind[] kinds(String sparse, long field, int... tokens) {
    int[] ids = Arrays.copyOf(tokens, tokens.length - 1);
    int[] next = Arrays.copyOfRange(tokens, 1, tokens.length);
    return new Evidence(Schedule.pattern(sparse), field, 10, new int[] {1, 2, 3}).of(ids, next);
  }

  @Test
  void distances() {
    // 1 2 stands at places 0 and 1, and again at 5 and 6: the second 2 is foretold by place 1, four
    // keys before its query.
    int[] row = {1, 2, 7, 8, 9, 1, 2};
    assertEquals(Kind.NEAR, kinds("window:5", 9, row)[5]);
    assertEquals(Kind.BEYOND, kinds("window:4", 4, row)[5]);
    assertEquals(Kind.OUTSIDE, kinds("window:4", 3, row)[5]);
    assertEquals(Kind.OUTSIDE, kinds("block:4", 3, row)[5]);
    assertEquals(Kind.NEAR, kinds("block:8", 7, row)[5]);
    for (int q = 0; q < 5; q++) {
      assertEquals(Kind.NONE, kinds("full", 99, row)[q]);
    }
  }

  @Test
  void theLastPlaceCounts() {
    int[] row = {1, 2, 5, 1, 2, 6, 1, 2};
    assertEquals(Kind.NEAR, kinds("window:3", 2, row)[6]);
    assertEquals(Kind.BEYOND, kinds("window:2", 5, row)[6]);
    // A token that repeats itself is foretold by its own place as soon as it has.
    assertArrayEquals(
        new Kind[] {Kind.NONE, Kind.NEAR, Kind.NEAR}, kinds("window:1", 0, 4, 4, 4, 4));
  }

  @Test
  void contextCountsThoughItIsNotScored() {
    Evidence evidence = new Evidence(Schedule.pattern("window:2"), 9, 10, new int[] {1, 2, 3});
    Kind[] kinds = evidence.of(new int[] {4, 5, 6, 4}, new int[] {-100, -100, -100, 5});
    assertArrayEquals(new Kind[] {Kind.NONE, Kind.NONE, Kind.NONE, Kind.BEYOND}, kinds);
    assertTrue(evidence.novel(4, 5));
    assertFalse(evidence.novel(2, 3));
    assertTrue(evidence.novel(3, 2));
  }

  @Test
  void pairedDifference() {
    var a = new TextFindings.Losses(List.of(4.0, 9.0), List.of(2.0, 3.0));
    var b = new TextFindings.Losses(List.of(3.0, 6.0), List.of(2.0, 3.0));
    double[] above = a.above(b);
    assertEquals(4.0 / 5, above[0], 1e-12);
    assertEquals(Math.sqrt(0.6 * 0.6 * 2) / 5, above[1], 1e-12);
    assertEquals(0, a.above(a)[0]);
    assertEquals(0, a.above(a)[1]);
  }
}
