package io.heddle.text;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Comparator;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * GPT-2's printable alphabet: each byte is written as one character, so that pieces can stand in a
 * text file. Printable Latin-1 stands for itself, the 68 others for U+0100 on.
 */
final class ByteAlphabet {
  private static final char[] CHARS = new char[256];
  private static final short[] BYTES = new short[0x200];

  static {
    Arrays.fill(BYTES, (short) -1);
    int next = 256;
    for (int b = 0; b < 256; b++) {
      boolean printable = (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
      CHARS[b] = (char) (printable ? b : next++);
      BYTES[CHARS[b]] = (short) b;
    }
  }

  private ByteAlphabet() {}

  /** The character of a byte. */
  static char of(int b) {
    return CHARS[b & 0xff];
  }

  /** All bytes in the order of their characters, which is that of their ids in GPT-2. */
  static int[] byCharacter() {
    return IntStream.range(0, 256)
        .boxed()
        .sorted(Comparator.comparingInt(ByteAlphabet::of))
        .mapToInt(Integer::intValue)
        .toArray();
  }

  /** A text's UTF-8 in the alphabet. */
  static String write(String text) {
    byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
    StringBuilder out = new StringBuilder(utf8.length);
    for (byte b : utf8) {
      out.append(of(b));
    }
    return out.toString();
  }

  /** The bytes behind a piece, or null when it is not written in the alphabet. */
  static byte @Nullable [] read(String piece) {
    byte[] out = new byte[piece.length()];
    for (int i = 0; i < out.length; i++) {
      char c = piece.charAt(i);
      if (c >= BYTES.length || BYTES[c] < 0) {
        return null;
      }
      out[i] = (byte) BYTES[c];
    }
    return out;
  }
}
