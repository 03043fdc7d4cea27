package io.heddle.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.heddle.progress.ProgressListener;
import org.junit.jupiter.api.Test;

/** How a vocabulary's tokens are spelt: bytes in a frame, as long as the longest needs. */
class SpellingTest {
  private final WordPiece words =
      new WordPieceTrainer(20, false, ProgressListener.NONE).add("a w\u00e9ft a heddle").words(1);

  private int[] spelt(Spelling spelling, String token) {
    return spelling.characters(words.id(token).orElseThrow()).toArray();
  }

  @Test
  void tokensAreTheirBytes() {
    Spelling spelling = Spelling.of(words, 3);
    assertEquals(words.vocabularySize(), spelling.vocabularySize());
    assertEquals(8, spelling.length());
    assertArrayEquals(new int[] {258, 'a', 259, 260, 260, 260, 260, 260}, spelt(spelling, "a"));
    int[] weft = {258, 'w', 0xc3, 0xa9, 'f', 't', 259, 260};
    assertArrayEquals(weft, spelt(spelling, "w\u00e9ft"));
    int[] heddle = {258, 'h', 'e', 'd', 'd', 'l', 'e', 259};
    assertArrayEquals(heddle, spelt(spelling, "heddle"));
    int[] end = {258, 257, 259, 260, 260, 260, 260, 260};
    assertArrayEquals(end, spelt(spelling, "[SEP]"));
  }

  @Test
  void theWidestFilterFits() {
    assertEquals(11, Spelling.of(words, 11).length());
  }

  // Half a character is a token of a byte-level vocabulary, and has no text.
  @Test
  void tokensThatAreNoTextAreBytes() {
    ByteLevelBpe bytes = new BpeTrainer(257, ProgressListener.NONE).add("a").train();
    Spelling spelling = Spelling.of(bytes, 1);
    for (int id = 0; id < bytes.vocabularySize(); id++) {
      if (id != bytes.endOfText().orElseThrow()) {
        int[] expected = {258, Byte.toUnsignedInt(bytes.decodeBytes(id)[0]), 259};
        assertArrayEquals(expected, spelling.characters(id).toArray());
      }
    }
  }

  @Test
  void longTokensAreCut() {
    String longest = "y".repeat(90);
    WordPiece one = new WordPieceTrainer(20, false, ProgressListener.NONE).add(longest).words(1);
    int[] spelt = Spelling.of(one, 1).characters(one.id(longest).orElseThrow()).toArray();
    assertEquals(ElmoCharacters.LENGTH, spelt.length);
    assertEquals(ElmoCharacters.WORD_END, spelt[ElmoCharacters.LENGTH - 1]);
  }
}
