package io.heddle.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import java.util.Arrays;
import org.junit.jupiter.api.Test;

/** ELMo's characters: bytes, frames, what is cut and what is left out. */
class ElmoCharactersTest {
  private final ElmoCharacters characters = new ElmoCharacters("<bos>", "<eos>");

  private static int[] padded(int... begin) {
    int[] out = Arrays.copyOf(begin, 50);
    Arrays.fill(out, begin.length, 50, 260);
    return out;
  }

  @Test
  void wordsAreFramedBytes() {
    assertArrayEquals(padded(258, 'a', 'b', 259), characters.of("ab"));
    assertArrayEquals(padded(258, 0xc3, 0xa9, 259), characters.of("\u00e9"));
    assertArrayEquals(padded(258, 0xf0, 0x9f, 0x98, 0x80, 259), characters.of("\ud83d\ude00"));
    assertArrayEquals(padded(258, 'x', 259), characters.of("x\ud83d"));
    assertArrayEquals(padded(258, 259), characters.of(""));
  }

  @Test
  void sentencesHaveCharactersOfTheirOwn() {
    assertArrayEquals(padded(258, 256, 259), characters.of("<bos>"));
    assertArrayEquals(padded(258, 257, 259), characters.of("<eos>"));
  }

  @Test
  void longWordsAreCut() {
    int[] out = characters.of("y".repeat(60));
    int[] expected = new int[50];
    Arrays.fill(expected, 'y');
    expected[0] = 258;
    expected[49] = 259;
    assertArrayEquals(expected, out);
    out = characters.of("z".repeat(47));
    assertArrayEquals(new int[] {'z', 259, 260}, Arrays.copyOfRange(out, 47, 50));
  }
}
