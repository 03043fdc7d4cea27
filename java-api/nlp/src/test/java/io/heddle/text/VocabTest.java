package io.heddle.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The order of GluonNLP's vocabulary, on cases small enough to sort by hand. */
class VocabTest {
  private static final TokenCounts COUNTS =
      TokenCounts.of(List.of("b c a c d c b b e b d".split(" "))); // b 4, c 3, d 2, a 1, e 1

  @Test
  void specialsFirstThenByFrequencyThenByToken() {
    assertEquals(
        List.of("<unk>", "<pad>", "<bos>", "<eos>", "b", "c", "d", "a", "e"),
        Vocab.of(COUNTS).tokens());
    Vocab vocab =
        new VocabBuilder(COUNTS)
            .special("cls_token", "[CLS]")
            .special("sep_token", "[SEP]")
            .sentence(null, "[SEP]") // one token for two names has one index
            .reserved(List.of("zz", "d"))
            .build();
    assertEquals(
        List.of("<unk>", "[CLS]", "[SEP]", "<pad>", "zz", "d", "b", "c", "a", "e"), vocab.tokens());
    assertEquals(OptionalInt.of(2), vocab.special("sep_token"));
    assertEquals(OptionalInt.of(2), vocab.special(Vocab.END));
    assertEquals(OptionalInt.empty(), vocab.special(Vocab.BEGIN));
    assertEquals(List.of("[CLS]", "[SEP]", "<pad>", "zz", "d"), vocab.reserved());
  }

  @Test
  void sizeAndFrequencyCountNoSpecials() {
    VocabBuilder plain =
        new VocabBuilder(COUNTS).padding(null).sentence(null, null).reserved(List.of("b"));
    assertEquals(List.of("<unk>", "b", "c", "d"), plain.maxSize(2).build().tokens());
    assertEquals(List.of("<unk>", "b"), plain.maxSize(0).build().tokens());
    assertEquals(
        List.of("<unk>", "b", "c", "d"), plain.maxSize(9).minFrequency(2).build().tokens());
    assertThrows(IllegalArgumentException.class, () -> plain.minFrequency(0));
  }

  @Test
  void tiesAreBrokenByCodePoint() {
    String far = new String(Character.toChars(0x1F600));
    TokenCounts counts = TokenCounts.of(List.of(far, "\uFFFD", "a", "aa"));
    List<String> tokens = Vocab.of(counts).tokens();
    assertEquals(List.of("a", "aa", "\uFFFD", far), tokens.subList(4, 8));
  }

  @Test
  void unknownIsIndexZeroUnlessItIsMoved() {
    Vocab vocab = Vocab.of(COUNTS);
    assertEquals(0, vocab.index("never seen"));
    assertArrayEquals(new int[] {4, 0, 8}, vocab.indices(List.of("b", "x", "e")));
    Vocab moved = new VocabBuilder(COUNTS).place("<unk>", 8).place("b", 1).build();
    // The one that was there takes the place that was left.
    assertEquals(
        List.of("e", "b", "<bos>", "<eos>", "<pad>", "c", "d", "a", "<unk>"), moved.tokens());
    assertEquals(8, moved.index("never seen"));
    assertEquals(OptionalInt.of(8), moved.unknown());
    Vocab strict = new VocabBuilder(COUNTS).unknown(null).build();
    assertEquals("<pad>", strict.token(0));
    var e = assertThrows(IllegalArgumentException.class, () -> strict.index("x"));
    assertTrue(e.toString().contains("'x'"), e.toString());
    assertFalse(strict.contains("x"));
  }

  @Test
  void whatCannotBeIsRefused() {
    VocabBuilder builder = new VocabBuilder(COUNTS);
    assertThrows(IllegalArgumentException.class, () -> builder.special("cls", "[CLS]"));
    assertThrows(IllegalArgumentException.class, () -> builder.special("eos_token", "."));
    for (List<String> reserved : List.of(List.of("<unk>"), List.of("<eos>"), List.of("x", "x"))) {
      assertThrows(
          IllegalArgumentException.class,
          () -> new VocabBuilder(COUNTS).reserved(reserved).build(),
          reserved.toString());
    }
    for (int to : new int[] {-1, 9}) {
      assertThrows(
          IllegalArgumentException.class, () -> new VocabBuilder(COUNTS).place("a", to).build());
    }
    assertThrows(
        IllegalArgumentException.class, () -> new VocabBuilder(COUNTS).place("q", 1).build());
    assertThrows(
        IllegalArgumentException.class,
        () -> new VocabBuilder(COUNTS).place("a", 1).place("b", 1).build());
    assertThrows(IndexOutOfBoundsException.class, () -> Vocab.of(COUNTS).token(9));
  }

  @Test
  void rareTokensBecomeUnknown() {
    TokenCounts kept = COUNTS.discard(2, "<unk>");
    assertEquals(2, kept.count("<unk>"));
    assertEquals(4, kept.count("b"));
    assertEquals(4, kept.size());
    assertEquals(0, kept.count("a"));
  }

  @Test
  void jsonAndBack(@TempDir Path folder) throws IOException {
    Vocab vocab =
        new VocabBuilder(COUNTS)
            .special("cls_token", "[CLS]")
            .reserved(List.of("\"\u2028"))
            .place("b", 0)
            .build();
    vocab.save(folder.resolve("vocab.json"));
    Vocab back = Vocab.load(folder.resolve("vocab.json"));
    assertEquals(vocab, back);
    assertEquals(vocab.index("?"), back.index("?"));
    // As GluonNLP 0.6 wrote it.
    Vocab old =
        Vocab.fromJson(
            "{\"idx_to_token\":[\"<unk>\",\"<pad>\",\"a\"],\"token_to_idx\":{\"a\":2},"
                + "\"reserved_tokens\":[\"<pad>\"],\"unknown_token\":\"<unk>\","
                + "\"padding_token\":\"<pad>\",\"bos_token\":null}",
            "old");
    assertEquals(OptionalInt.of(1), old.special(Vocab.PADDING));
    assertEquals(OptionalInt.empty(), old.special(Vocab.BEGIN));
    for (String bad :
        List.of(
            "{}",
            "{\"idx_to_token\":[\"a\",\"a\"]}",
            "{\"idx_to_token\":[\"a\"],\"unknown_token\":\"<unk>\"}")) {
      var e = assertThrows(IOException.class, () -> Vocab.fromJson(bad, "bad.json"), bad);
      assertTrue(e.toString().contains("bad.json"), e.toString());
    }
  }
}
