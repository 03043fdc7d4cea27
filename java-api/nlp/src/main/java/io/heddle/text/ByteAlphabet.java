package io.heddle.text;

import java.nio.charset.StandardCharsets;

/**
 * GPT-2's printable alphabet: each byte is written as one character, so that pieces can stand in a text file. Printable Latin-1 stands for
 * itself, the 68 others for U+0100 on.
 */
final class ByteAlphabet {
  private static final char[] CHARS = new char[256];
  private static final short[] BYTES = new short[0x200];

  static {
    java.util.Arrays.fill(BYTES, (short) -1);
    int next = 256;
    for (int b = 0; b < 256; b++) {
      boolean printable = (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || (b >= 0xAE);
      CHARS[b] = (char) (printable ? b : next++);
      BYTES[CHARS[b]] = (short) b;
    }
  }

  private ByteAlphabet() {}

  static char of(int b) {
    return CHARS[b & 0xff];
  }

  /** The UTF-8 bytes of {@code text} in the alphabet. */
  static String write(String text) {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    char[] out = new char[bytes.length];
    for (int i = 0; i < bytes.length; i++) {
      out[i] = of(bytes[i]);
    }
    return new String(out);
  }

  /** The bytes behind a piece, or null when it is not written in the alphabet. */
  static byte @org.jspecify.annotations.Nullable [] read(String piece) {
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
