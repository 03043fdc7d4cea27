package io.heddle.text;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * The rewriting rules that a SentencePiece model carries: a double-array trie (Aoe 1989; units as
 * darts-clone packs them) from UTF-8 to the place of the text that replaces it. Layout: u32 bytes
 * of the trie, the trie's u32 units, then texts that each end with a zero byte.
 */
final class CharsMap {
  private static final int NONE = -1;

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
   * @param text without lone surrogates
   * @return characters that it replaces in the upper half, the place of its text in the lower; 0 if
   *     none
   */
  long longest(String text, int from) {
    long best = 0;
    int node = units.length == 0 ? NONE : 0;
    for (int at = from; at < text.length() && node != NONE; ) {
      int c = text.codePointAt(at);
      at += Character.charCount(c);
      node = character(node, c);
      int place = node == NONE ? NONE : place(node);
      if (place != NONE) {
        best = (long) (at - from) << 32 | place;
      }
    }
    return best;
  }

  /** Whether no rule begins with this ASCII character alone, or with it and another one. */
  boolean leaves(int c) {
    int node = units.length == 0 ? NONE : child(0, c);
    if (node == NONE) {
      return true;
    }
    boolean ends = place(node) != NONE;
    for (int next = 0; next < 0x80; next++) {
      ends |= child(node, next) != NONE;
    }
    return !ends;
  }

  // The node after one more character, byte by byte of its UTF-8.
  private int character(int node, int c) {
    if (c < 0x80) {
      return child(node, c);
    }
    if (c < 0x800) {
      return child(child(node, 0xC0 | c >>> 6), 0x80 | (c & 0x3F));
    }
    int before =
        c < 0x10000
            ? child(node, 0xE0 | c >>> 12)
            : child(child(node, 0xF0 | c >>> 18), 0x80 | (c >>> 12 & 0x3F));
    return child(child(before, 0x80 | (c >>> 6 & 0x3F)), 0x80 | (c & 0x3F));
  }

  private int child(int node, int b) {
    if (node == NONE) {
      return NONE;
    }
    int next = node ^ offset(units[node]) ^ b;
    return next >= 0 && next < units.length && (units[next] & 0x800000FF) == b ? next : NONE;
  }

  // The place of the text of the rule that ends at a node.
  private int place(int node) {
    int leaf = node ^ offset(units[node]);
    boolean ends = (units[node] >>> 8 & 1) == 1 && leaf >= 0 && leaf < units.length;
    return ends ? units[leaf] & 0x7FFFFFFF : NONE;
  }

  private static int offset(int unit) {
    return unit >>> 10 << ((unit & 1 << 9) >>> 6);
  }

  /** The text of a rule, which begins at {@code place}. */
  String text(int place) {
    int end = place;
    while (end < texts.length && texts[end] != 0) {
      end++;
    }
    return new String(texts, place, end - place, StandardCharsets.UTF_8);
  }
}
