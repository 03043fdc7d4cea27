package io.heddle.text;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;

/**
 * The rewriting rules that a SentencePiece model carries: a double-array trie (Aoe 1989; units as
 * darts-clone packs them) from UTF-8 to the place of the text that replaces it. Layout: u32 bytes
 * of the trie, the trie's u32 units, then texts that each end with a zero byte.
 */
final class CharsMap {
  private final int[] units;
  private final byte[] texts;

  /** The rules in {@code blob}; an empty one has none. */
  CharsMap(byte[] blob) {
    if (blob.length == 0) {
      units = new int[0];
      texts = new byte[0];
      return;
    }
    ByteBuffer in = ByteBuffer.wrap(blob).order(ByteOrder.LITTLE_ENDIAN);
    int size = blob.length < Integer.BYTES ? -1 : in.getInt();
    if (size < Integer.BYTES || size % Integer.BYTES != 0 || size > in.remaining()) {
      throw new IllegalArgumentException("the normalizer's precompiled_charsmap is damaged");
    }
    units = new int[size / Integer.BYTES];
    in.asIntBuffer().get(units);
    texts = Arrays.copyOfRange(blob, Integer.BYTES + size, blob.length);
  }

  /**
   * The longest rule that begins at {@code from}.
   *
   * @return bytes that it replaces in the upper half, the place of its text in the lower; 0 if none
   */
  long longest(byte[] text, int from) {
    long best = 0;
    int node = units.length == 0 ? 0 : offset(units[0]);
    for (int at = from; at < text.length; at++) {
      int c = text[at] & 0xFF;
      node ^= c;
      if (node < 0 || node >= units.length || (units[node] & 0x800000FF) != c) {
        break;
      }
      int unit = units[node];
      node ^= offset(unit);
      if ((unit >>> 8 & 1) == 1 && node < units.length) {
        best = (long) (at + 1 - from) << 32 | (units[node] & 0x7FFFFFFF);
      }
    }
    return best;
  }

  private static int offset(int unit) {
    return unit >>> 10 << ((unit & 1 << 9) >>> 6);
  }

  /** Where a rule's text ends; it begins at {@code from}. */
  int end(int from) {
    int end = from;
    while (end < texts.length && texts[end] != 0) {
      end++;
    }
    return end;
  }

  /** All texts, each up to a zero byte. */
  byte[] texts() {
    return texts;
  }
}
