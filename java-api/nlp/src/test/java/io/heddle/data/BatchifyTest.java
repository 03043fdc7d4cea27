package io.heddle.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** Batches of samples, and of long texts. */
class BatchifyTest {
  private static final NumberArray A = NumberArray.of(1, 2, 3);
  private static final NumberArray B = NumberArray.of(4);

  @Test
  void stackNeedsOneShape() {
    NumberArray two = new NumberArray(new float[] {1, 2, 3, 4}, 2, 2);
    assertEquals(
        new NumberArray(new float[] {1, 2, 3, 4, 1, 2, 3, 4}, 2, 2, 2),
        Batchify.stack().of(List.of(two, two)));
    var e =
        assertThrows(IllegalArgumentException.class, () -> Batchify.stack().of(List.of(A, A, B)));
    assertTrue(e.toString().contains("sample 2"), e.toString());
    assertThrows(
        IllegalArgumentException.class, () -> Batchify.stack().of(List.of(B, NumberArray.of(1f))));
    assertThrows(IllegalArgumentException.class, () -> new NumberArray(new int[3], 2, 2));
    assertThrows(IllegalArgumentException.class, () -> new NumberArray(new byte[3], 3));
    assertThrows(IllegalStateException.class, A::floats);
  }

  @Test
  void padFillsOneAxis() {
    assertArrayEquals(new int[] {1, 2, 3, 4, 9, 9}, Batchify.pad(9).of(List.of(A, B)).ints());
    Pad.Padded padded = Batchify.pad(0).roundTo(4).withLengths().of(List.of(B, A));
    assertEquals(new NumberArray(new int[] {4, 0, 0, 0, 1, 2, 3, 0}, 2, 4), padded.data());
    assertEquals(NumberArray.of(1, 3), padded.lengths());
    // [2, 1] and [2, 2] along axis 1; [1, 2] and [2, 2] along axis 0.
    NumberArray narrow = new NumberArray(new float[] {1, 2}, 2, 1);
    NumberArray wide = new NumberArray(new float[] {3, 4, 5, 6}, 2, 2);
    assertEquals(
        new NumberArray(new float[] {1, -1, 2, -1, 3, 4, 5, 6}, 2, 2, 2),
        Batchify.pad(-1).along(1).of(List.of(narrow, wide)));
    NumberArray low = new NumberArray(new float[] {1, 2}, 1, 2);
    assertEquals(
        new NumberArray(new float[] {3, 4, 5, 6, 1, 2, -1, -1}, 2, 2, 2),
        Batchify.pad(-1).of(List.of(wide, low)));
    assertThrows(IllegalArgumentException.class, () -> Batchify.pad(0).of(List.of(narrow, wide)));
    assertThrows(IllegalArgumentException.class, () -> Batchify.pad(0).along(1).of(List.of(A, B)));
    // Samples of nothing make an empty row.
    NumberArray none = NumberArray.of(new int[0]);
    assertEquals(new NumberArray(new int[0], 2, 0), Batchify.pad(0).of(List.of(none, none)));
  }

  @Test
  void fieldsByTheirOwnRules() {
    List<Object> tuple =
        Batchify.tuple(List.of(Batchify.pad(0), Batchify.stack(), Batchify.list()))
            .of(List.of(List.of(A, B, "x"), List.of(B, B, "y")));
    assertEquals(new NumberArray(new int[] {1, 2, 3, 4, 0, 0}, 2, 3), tuple.get(0));
    assertEquals(new NumberArray(new int[] {4, 4}, 2, 1), tuple.get(1));
    assertEquals(List.of("x", "y"), tuple.get(2));
    Batchify<Map<String, ?>, Map<String, Object>> named =
        Batchify.named(Map.of("ids", Batchify.pad(7), "name", Batchify.list()));
    assertEquals(
        Map.of("ids", new NumberArray(new int[] {4, 7, 7, 1, 2, 3}, 2, 3), "name", List.of(1, 2)),
        named.of(List.of(Map.of("ids", B, "name", 1, "more", 0), Map.of("ids", A, "name", 2))));
    var e =
        assertThrows(
            IllegalArgumentException.class, () -> named.of(List.of(Map.of("ids", B, "nome", 1))));
    assertTrue(e.toString().contains("'name'"), e.toString());
    assertThrows(
        IllegalArgumentException.class,
        () -> Batchify.tuple(List.of(Batchify.list())).of(List.of(List.of(1, 2))));
  }

  @Test
  void columnsAreTheCorpusSideBySide() {
    assertArrayEquals(
        new int[] {0, 3, 1, 4, 2, 5},
        LanguageModelBatches.columns(new int[] {0, 1, 2, 3, 4, 5, 6}, 2));
    assertEquals(0, LanguageModelBatches.columns(new int[2], 3).length);
  }

  @Test
  void piecesAgainstTheFormulas() throws IOException {
    int cases = 0;
    for (JsonNode c : BucketingTest.golden().path("pieces")) {
      int[] corpus = new int[c.path("length").asInt()];
      Arrays.setAll(corpus, i -> 100 + i);
      Integer padding = c.path("pad").isNull() ? null : c.path("pad").asInt();
      List<BpttBatch> pieces =
          LanguageModelBatches.pieces(
              corpus, c.path("rows").asInt(), c.path("steps").asInt(), padding);
      assertEquals(c.path("pieces").size(), pieces.size(), c.toString());
      for (int p = 0; p < pieces.size(); p++) {
        int[][] wanted = BucketingTest.rows(c.path("pieces").get(p)); // [steps + 1][rows]
        BpttBatch piece = pieces.get(p);
        int size = piece.rows() * piece.steps();
        int[] flat = Arrays.stream(wanted).flatMapToInt(Arrays::stream).toArray();
        assertArrayEquals(Arrays.copyOf(flat, size), piece.data(), c.toString());
        assertArrayEquals(
            Arrays.copyOfRange(flat, piece.rows(), flat.length), piece.target(), c.toString());
      }
      cases++;
    }
    assertEquals(14, cases);
  }

  // The sentences of GluonNLP's documentation, a..o as 1..15, <eos> 0, padding 99. A row is filled
  // before the next one reads.
  @Test
  void sentencesFollowEachOtherInTheirRow() throws IOException {
    DataStream<int[]> sentences =
        DataStream.of(
            List.of(
                new int[] {1, 2, 3, 4, 0},
                new int[] {5, 6, 7, 8, 9, 10, 0},
                new int[] {11, 12, 13, 14, 0},
                new int[] {15, 0}));
    List<BpttBatch> pieces = LanguageModelBatches.pieces(sentences, 2, 5, 99, false).toList();
    int[][][] data = {
      {{1, 2, 3, 4, 0}, {11, 12, 13, 14, 0}},
      {{5, 6, 7, 8, 9}, {15, 99, 99, 99, 99}},
      {{10, 99, 99, 99, 99}, {99, 99, 99, 99, 99}}
    };
    int[][][] target = {
      {{2, 3, 4, 0, 5}, {12, 13, 14, 0, 15}},
      {{6, 7, 8, 9, 10}, {0, 99, 99, 99, 99}},
      {{0, 99, 99, 99, 99}, {99, 99, 99, 99, 99}}
    };
    assertEquals(3, pieces.size());
    for (int p = 0; p < 3; p++) {
      for (int n = 0; n < 2; n++) {
        assertArrayEquals(data[p][n], column(pieces.get(p).data(), n));
        assertArrayEquals(target[p][n], column(pieces.get(p).target(), n));
      }
    }
    // The original's default gives out one more piece of nothing.
    assertEquals(4, LanguageModelBatches.pieces(sentences, 2, 5, 99, true).toList().size());
    // Every successor of every row is predicted once: 5 + 7 + 5 + 2 tokens less the two first ones.
    long targets =
        pieces.stream().flatMapToInt(p -> Arrays.stream(p.target())).filter(t -> t != 99).count();
    assertEquals(17, targets);
  }

  private static int[] column(int[] timeMajor, int n) {
    int[] out = new int[timeMajor.length / 2];
    Arrays.setAll(out, t -> timeMajor[2 * t + n]);
    return out;
  }

  @Test
  void datasetsAreLazy() {
    List<Integer> asked = new ArrayList<>();
    Dataset<Integer> base =
        Dataset.of(
            10,
            i -> {
              asked.add(i);
              return i * i;
            });
    Dataset<Integer> plus = base.map(x -> x + 1).take(4);
    assertTrue(asked.isEmpty());
    assertEquals(List.of(1, 2, 5, 10), plus.toList());
    assertEquals(4, asked.size());
    Dataset<Integer> held = plus.held();
    held.toList();
    assertEquals(8, asked.size());
    assertEquals(List.of(2, 10), held.filter(x -> x % 2 == 0).toList());
    assertEquals(List.of(10, 1, 10), held.sampled(new int[] {3, 0, 3}).toList());
    assertEquals(List.of(0, 1, 4, 9), base.shard(3, 0).toList());
    assertEquals(List.of(49, 64, 81), base.shard(3, 2).toList());
    Dataset<Integer> both = Dataset.concat(List.of(held, Dataset.of(List.of()), held.take(1)));
    assertEquals(List.of(1, 2, 5, 10, 1), both.toList());
    assertThrows(IndexOutOfBoundsException.class, () -> held.get(4));
    Dataset<NumberArray> batches =
        Dataset.of(List.of(A, B, A))
            .batches(
                new FixedBucketSampler(
                    new int[] {3, 1, 3}, FixedBucketSampler.Options.of(2).keys(new int[] {3})),
                0,
                Batchify.pad(0));
    assertEquals(new NumberArray(new int[] {1, 2, 3, 4, 0, 0}, 2, 3), batches.get(0));
    assertEquals(2, batches.size());
  }

  @Test
  void emptyCorporaMakeNoPieces() throws IOException {
    assertEquals(List.of(), LanguageModelBatches.pieces(new int[0], 2, 3, 0));
    try (Cursor<BpttBatch> none =
        LanguageModelBatches.pieces(DataStream.<int[]>of(List.of()), 2, 3, 0, false).open()) {
      assertNull(none.next());
    }
  }
}
