package io.heddle.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.backend.reference.ReferenceBackend;
import io.heddle.op.pattern.AttentionPattern;
import io.heddle.op.pattern.BlockLayout;
import io.heddle.op.pattern.Patterns;
import io.heddle.tensor.Scope;
import io.heddle.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** A compiled layout shows exactly the pairs of its predicate, in both of its lists. */
class PatternTest {
  private static final long[][] LENGTHS = {
    {1, 1},
    {1, 64},
    {1, 65},
    {1, 200},
    {2, 129},
    {63, 63},
    {64, 64},
    {65, 65},
    {127, 127},
    {128, 128},
    {70, 40},
    {130, 1},
    {191, 257}
  };

  private static final Map<String, AttentionPattern> PATTERNS = new LinkedHashMap<>();

  static {
    int[] documents = new int[300];
    for (int i = 0; i < documents.length; i++) {
      documents[i] = i / 37;
    }
    int[] pieces = new int[300];
    for (int i = 0; i < pieces.length; i++) {
      pieces[i] = i / 37 % 3;
    }
    PATTERNS.put("full", Patterns.full());
    PATTERNS.put("causal", Patterns.causal());
    PATTERNS.put("window left", Patterns.window(20, 0));
    PATTERNS.put("window both", Patterns.window(5, 70));
    PATTERNS.put("window of itself", Patterns.window(0, 0));
    PATTERNS.put("block", Patterns.block(50, 0).and(Patterns.causal()));
    PATTERNS.put("previous block", Patterns.block(16, 2));
    PATTERNS.put("blocks of one block", Patterns.block(64, 0));
    PATTERNS.put("dilated", Patterns.dilated(90, 3));
    PATTERNS.put("global", Patterns.global(3).or(Patterns.window(8, 8)));
    PATTERNS.put(
        "global causal", Patterns.global(70).or(Patterns.window(8, 0)).and(Patterns.causal()));
    PATTERNS.put("documents", Patterns.documents(documents).and(Patterns.causal()));
    PATTERNS.put("documents to both sides", Patterns.documents(documents));
    PATTERNS.put("documents in pieces", Patterns.documents(pieces).and(Patterns.causal()));
    PATTERNS.put("documents of some", Patterns.documents(Arrays.copyOf(documents, 100)));
    PATTERNS.put("length", Patterns.length(33));
    PATTERNS.put("shifted causal", Patterns.shifted(Patterns.causal(), 37));
    PATTERNS.put("shifted window", Patterns.shifted(Patterns.window(20, 0), 100));
    PATTERNS.put(
        "shifted global",
        Patterns.shifted(Patterns.global(3).or(Patterns.block(16, 1)).and(Patterns.causal()), 65));
    PATTERNS.put("nothing", Patterns.length(0));
    PATTERNS.put("plain predicate", (q, k) -> (q * 7 + k * 3) % 5 == 0);
  }

  static Stream<String> patterns() {
    return PATTERNS.keySet().stream();
  }

  @ParameterizedTest
  @MethodSource("patterns")
  void equalsItsPredicate(String name) {
    AttentionPattern pattern = PATTERNS.get(name);
    for (long[] length : LENGTHS) {
      check(name, List.of(List.of(pattern)), new int[3], length[0], length[1]);
    }
  }

  /** The fast forms of a pattern say the same as its definition. */
  @ParameterizedTest
  @MethodSource("patterns")
  void wordsAndBoundsEqualThePredicate(String name) {
    AttentionPattern pattern = PATTERNS.get(name);
    for (long q = 0; q < 200; q += 3) {
      for (long k = 0; k < 256; k += 64) {
        for (int j = 0; j < 64; j++) {
          assertEquals(
              pattern.allows(q, k + j),
              (pattern.word(q, k) >>> j & 1) == 1,
              name + " at " + q + ", " + (k + j));
        }
      }
      for (long k = 0; k < 256; k++) {
        if (pattern.allows(q, k)) {
          assertTrue(
              k >= pattern.first(q, q) && k < pattern.end(q, q),
              name + " bounds at " + q + ", " + k);
          assertTrue(
              k >= pattern.first(q - q % 64, q) && k < pattern.end(q - q % 64, q),
              name + " block bounds at " + q + ", " + k);
        }
      }
    }
  }

  @Test
  void groupsAndBatchRowsHaveTheirOwnLists() {
    List<AttentionPattern> row = new ArrayList<>(PATTERNS.values());
    List<AttentionPattern> reversed = row.reversed();
    int[] headGroup = new int[row.size() + 1];
    for (int h = 0; h < headGroup.length; h++) {
      headGroup[h] = (h * 4) % row.size();
    }
    for (long[] length : LENGTHS) {
      check("groups", List.of(row, reversed), headGroup, length[0], length[1]);
    }
  }

  private static void check(
      String name,
      List<List<AttentionPattern>> patterns,
      int[] headGroup,
      long queries,
      long keys) {
    BlockLayout layout = BlockLayout.compile(patterns, headGroup, queries, keys);
    String what = name + " " + queries + "x" + keys;
    try (Scope scope = new Scope(new ReferenceBackend().memory())) {
      BlockLayout.Tensors t = layout.tensors(scope);
      int groups = patterns.get(0).size();
      long pairs = 0;
      for (int b = 0; b < patterns.size(); b++) {
        for (int g = 0; g < groups; g++) {
          AttentionPattern pattern = patterns.get(b).get(g);
          int group = g;
          long seen = 0;
          boolean[][] rows =
              expand(
                  what,
                  t.rowPtr().slice(0, b, b + 1).slice(1, g, g + 1),
                  t.rowBlocks(),
                  t.masks(),
                  queries,
                  keys,
                  false);
          boolean[][] columns =
              expand(
                  what,
                  t.colPtr().slice(0, b, b + 1).slice(1, g, g + 1),
                  t.colBlocks(),
                  t.masks(),
                  queries,
                  keys,
                  true);
          for (int i = 0; i < queries; i++) {
            for (int k = 0; k < keys; k++) {
              long q = i + keys - queries;
              // With more queries than keys the first ones stand before the first key: they see
              // nothing, whatever the pattern says.
              boolean expected = q >= 0 && pattern.allows(q, k);
              assertEquals(expected, rows[i][k], what + " row list at query " + i + ", key " + k);
              assertEquals(
                  expected, columns[i][k], what + " column list at query " + i + ", key " + k);
              seen += expected ? 1 : 0;
            }
          }
          pairs += seen * Arrays.stream(headGroup).filter(h -> h == group).count();
        }
      }
      assertEquals(
          pairs * (patterns.size() == 1 ? 5 : 1),
          layout.pairs(patterns.size() == 1 ? 5 : patterns.size()),
          what);
      assertDistinct(what, t.masks());
    }
  }

  private static void assertDistinct(String what, Tensor masks) {
    Set<List<Long>> all = new HashSet<>();
    for (long m = 0; m < masks.dim(0); m++) {
      StringBuilder text = new StringBuilder();
      List<Long> words = new ArrayList<>();
      for (long w = 0; w < 64; w++) {
        long bits = word(masks, m, w);
        words.add(bits);
        text.append(bits).append(' ');
        if (m == 0) {
          assertEquals(-1L, bits, what + ": mask 0 is FULL");
        }
      }
      assertTrue(all.add(words), what + ": mask " + m + " is there twice: " + text);
    }
  }

  private static long word(Tensor masks, long m, long w) {
    return masks
        .segment()
        .getAtIndex(java.lang.foreign.ValueLayout.JAVA_LONG, masks.position(m, w));
  }

  // What a list shows, as a matrix. A block may be listed once only, and never an empty one.
  private static boolean[][] expand(
      String what,
      Tensor ptr,
      Tensor blocks,
      Tensor masks,
      long queries,
      long keys,
      boolean transposed) {
    boolean[][] out = new boolean[(int) queries][(int) keys];
    long lines = ptr.dim(2) - 1;
    assertEquals(((transposed ? keys : queries) + 63) / 64, lines, what);
    for (long line = 0; line < lines; line++) {
      long before = -1;
      for (long e = (long) ptr.get(0, 0, line); e < (long) ptr.get(0, 0, line + 1); e++) {
        long other = (long) blocks.get(e, 0);
        assertTrue(other > before, what + ": blocks ascend");
        before = other;
        long mask = (long) blocks.get(e, 1);
        long any = 0;
        for (int i = 0; i < 64; i++) {
          long q = (transposed ? other : line) * 64 + i;
          long bits = word(masks, mask, i);
          for (int j = 0; j < 64; j++) {
            long k = (transposed ? line : other) * 64 + j;
            if (q < queries && k < keys && (bits >>> j & 1) == 1) {
              out[(int) q][(int) k] = true;
              any++;
            }
          }
        }
        assertNotEquals(0, any, what + ": an empty block is listed");
      }
    }
    return out;
  }

  @Test
  void blocksThatShowAllAreFull() {
    try (Scope scope = new Scope(new ReferenceBackend().memory())) {
      assertEquals(1, BlockLayout.of(Patterns.full(), 1, 256, 256).distinctMasks());
      // A ragged edge shows all there is: it is FULL too, the kernel stops at the last key.
      assertEquals(1, BlockLayout.of(Patterns.full(), 1, 100, 130).distinctMasks());
      BlockLayout causal = BlockLayout.of(Patterns.causal(), 1, 256, 256);
      assertEquals(10, causal.blocks());
      assertEquals(2, causal.distinctMasks());
      Tensor rowBlocks = causal.tensors(scope).rowBlocks();
      long full = 0;
      for (long e = 0; e < rowBlocks.dim(0); e++) {
        full += rowBlocks.get(e, 1) == 0 ? 1 : 0;
      }
      assertEquals(6, full);
      // The query of a decode step sees every key.
      assertEquals(1, BlockLayout.of(Patterns.causal(), 1, 1, 100).distinctMasks());
    }
  }

  @Test
  void windowsStayLinear() {
    for (AttentionPattern pattern :
        List.of(
            Patterns.window(255, 0),
            Patterns.window(100, 100),
            Patterns.window(256, 0),
            Patterns.block(256, 1).and(Patterns.causal()),
            Patterns.dilated(256, 4),
            Patterns.global(16).or(Patterns.window(128, 0)).and(Patterns.causal()))) {
      BlockLayout small = BlockLayout.of(pattern, 4, 16384, 16384);
      BlockLayout large = BlockLayout.of(pattern, 4, 131072, 131072);
      assertTrue(large.distinctMasks() <= 12, "masks: " + large.distinctMasks());
      assertTrue(
          large.blocks() <= 8 * small.blocks() + 128,
          "blocks: " + small.blocks() + " and " + large.blocks());
      assertTrue(large.blocks() <= 7 * (131072 / 64), "blocks: " + large.blocks());
    }
  }

  @Test
  void wrongPatternsAreRefused() {
    org.junit.jupiter.api.Assertions.assertThrows(
        IllegalArgumentException.class, () -> Patterns.window(-1, 0));
    org.junit.jupiter.api.Assertions.assertThrows(
        IllegalArgumentException.class, () -> Patterns.block(0, 0));
    org.junit.jupiter.api.Assertions.assertThrows(
        IllegalArgumentException.class, () -> Patterns.dilated(4, 0));
  }
}
