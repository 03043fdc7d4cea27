package io.heddle.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.heddle.progress.ProgressListener;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** Rows of special tokens round texts and pairs, and where long ones are cut. */
class PairEncoderTest {
  private final WordPiece words =
      new WordPieceTrainer(100, true, ProgressListener.NONE)
          .add("a b c d e f a b c d e f")
          .words(2);

  private int id(String token) {
    return words.id(token).orElseThrow();
  }

  @Test
  void rowsAreBerts() {
    PairEncoder encoder = new PairEncoder(words, 20);
    PairEncoder.Row single = encoder.encode("a b", null);
    assertArrayEquals(words.encodeSequence("a b"), single.ids());
    assertArrayEquals(new int[4], single.types());
    PairEncoder.Row pair = encoder.encode("a b", "c");
    assertArrayEquals(words.encodePair("a b", "c"), pair.ids());
    assertArrayEquals(new int[] {0, 0, 0, 0, 1, 1}, pair.types());
    assertEquals(1, pair.firstAt());
    assertEquals(2, pair.firstLength());
    assertEquals(4, pair.secondAt());
  }

  @Test
  void theLongerTextLosesItsEnd() {
    PairEncoder encoder = new PairEncoder(words, 7);
    assertArrayEquals(words.encodePair("a b", "d e"), encoder.encode("a b c", "d e f").ids());
    assertArrayEquals(words.encodePair("a b c", "d"), encoder.encode("a b c d e f", "d").ids());
    assertArrayEquals(words.encodeSequence("a b c d e"), encoder.encode("a b c d e f", null).ids());
    assertThrows(IllegalArgumentException.class, () -> new PairEncoder(words, 3));
  }

  @Test
  void robertaDoublesItsEndAndOthersGetNothing() {
    SubwordBpe bpe = SubwordBpe.of(List.of("#version: 0.2"));
    SubwordTokenizer plain = new SubwordTokenizer(bpe, Set.of("a", "b"));
    int[] ids = new PairEncoder(plain, 9).encode("a", "b").ids();
    assertArrayEquals(plain.encode("a b"), ids);
  }

  @Test
  void wholeWordsKeepThoseThatOccurOftenEnough() {
    WordPiece few =
        new WordPieceTrainer(7, true, ProgressListener.NONE).add("x y y z z z unseen").words(2);
    assertEquals(7, few.vocabularySize());
    assertEquals("z", few.token(5));
    assertEquals("y", few.token(6));
    assertArrayEquals(
        new int[] {few.id("z").orElseThrow(), few.id(WordPiece.UNKNOWN).orElseThrow()},
        few.encode("Z x"));
    assertEquals(id("a"), words.encode("a")[0]);
  }
}
