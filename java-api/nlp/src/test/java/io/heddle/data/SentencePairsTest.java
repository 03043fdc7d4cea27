package io.heddle.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.data.SentencePairs.Pair;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Pairs of segments as BERT's pretraining data has them. */
class SentencePairsTest {
  private static final int LENGTH = 24;

  // Document d holds the words 1000 d, 1000 d + 1, ... in sentences of 1 to 7.
  private static List<List<int[]>> documents() {
    List<List<int[]>> out = new ArrayList<>();
    for (int d = 0; d < 40; d++) {
      List<int[]> sentences = new ArrayList<>();
      int next = 1000 * d;
      for (int s = 0; s < 30; s++) {
        int from = next;
        next += 1 + (s * 5 + d) % 7;
        sentences.add(IntStream.range(from, next).toArray());
      }
      out.add(sentences);
    }
    return out;
  }

  @Test
  void pairsFollowOrAreOfTwoDocuments() {
    List<Pair> pairs = SentencePairs.of(documents(), LENGTH, 0.1, 3);
    int follows = 0;
    int full = 0;
    for (Pair pair : pairs) {
      int[] a = pair.first();
      int[] b = pair.second();
      assertTrue(a.length > 0 && b.length > 0 && a.length + b.length <= LENGTH - 3);
      for (int[] part : List.of(a, b)) {
        // Whatever was cut off at the ends, what is left is without a gap.
        assertArrayEquals(IntStream.range(part[0], part[0] + part.length).toArray(), part);
      }
      assertEquals(pair.follows(), a[0] / 1000 == b[0] / 1000);
      assertTrue(!pair.follows() || b[0] > a[a.length - 1]);
      follows += pair.follows() ? 1 : 0;
      full += a.length + b.length == LENGTH - 3 ? 1 : 0;
    }
    double share = (double) follows / pairs.size();
    assertTrue(share > 0.35 && share < 0.5, share + ": half, less those of one sentence");
    assertTrue(full > 0.7 * pairs.size(), full + " of " + pairs.size());
  }

  // Sentences that were not used come again: first parts alone hold most of each document.
  @Test
  void nothingIsSkipped() {
    List<Pair> pairs = SentencePairs.of(documents(), 1000, 0, 5);
    List<Integer> seen = new ArrayList<>();
    for (Pair pair : pairs) {
      Arrays.stream(pair.first()).forEach(seen::add);
      if (pair.follows()) {
        Arrays.stream(pair.second()).forEach(seen::add);
      }
    }
    int words = documents().stream().flatMap(List::stream).mapToInt(s -> s.length).sum();
    assertEquals(words, seen.size());
    assertEquals(words, seen.stream().distinct().count());
  }

  @Test
  void rowsAreFramed() {
    Pair pair = new Pair(new int[] {7, 8}, new int[] {9}, true);
    assertArrayEquals(new int[] {1, 7, 8, 2, 9, 2, 0, 0}, pair.row(1, 2, 0, 8));
    assertArrayEquals(new int[] {0, 0, 0, 0, 1, 1, 0, 0}, pair.segments(8));
    assertArrayEquals(new int[] {1, 1, 1, 1, 1, 1, 0, 0}, pair.mask(8));
  }

  @Test
  void aSeedGivesTheSamePairs() {
    List<Pair> one = SentencePairs.of(documents(), LENGTH, 0.1, 3);
    List<Pair> two = SentencePairs.of(documents(), LENGTH, 0.1, 3);
    assertEquals(one.size(), two.size());
    for (int i = 0; i < one.size(); i++) {
      assertArrayEquals(one.get(i).first(), two.get(i).first());
      assertArrayEquals(one.get(i).second(), two.get(i).second());
    }
  }

  @Test
  void whatMakesNoPairsIsRefused() {
    List<List<int[]>> single = List.of(List.of(new int[] {1}));
    assertThrows(IllegalArgumentException.class, () -> SentencePairs.of(single, LENGTH, 0, 1));
    List<List<int[]>> empty = List.of(List.of(new int[] {1}), List.of(new int[0]));
    assertThrows(IllegalArgumentException.class, () -> SentencePairs.of(empty, LENGTH, 0, 1));
  }
}
