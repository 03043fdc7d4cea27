package io.heddle.text;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;

/**
 * What SentencePiece does to a text before it is cut (Kudo and Richardson 2018): characters are
 * rewritten by the model's rules, spaces at the ends and doubled ones go, a space is put in front,
 * and spaces become U+2581. User-defined pieces are left as they are.
 */
final class PieceNormalizer {
  /** Stands for a space. */
  static final String SPACE = "\u2581";

  private static final byte[] SPACE_BYTES = SPACE.getBytes(StandardCharsets.UTF_8);

  /**
   * The switches.
   *
   * @param dummyPrefix whether a space is added
   * @param removeExtra whether spaces at the ends and doubled ones go
   * @param escape whether spaces become {@link #SPACE}
   * @param asSuffix whether the added space stands behind
   */
  record Options(boolean dummyPrefix, boolean removeExtra, boolean escape, boolean asSuffix) {}

  private final CharsMap map;
  private final Options options;
  private final PieceTrie untouched;

  PieceNormalizer(CharsMap map, Options options, PieceTrie untouched) {
    this.map = map;
    this.options = options;
    this.untouched = untouched;
  }

  /** The text as it will be cut; nothing for a text of nothing but spaces that all go. */
  String normalize(String text) {
    Output out = new Output();
    String clean = WordScanner.wellFormed(text);
    byte[] utf8 = clean.getBytes(StandardCharsets.UTF_8);
    int at = 0;
    int atChar = 0;
    while (at < utf8.length) {
      int chars = untouched.longest(clean, atChar);
      int bytes;
      if (chars > 0) {
        bytes = bytes(utf8, at, chars);
        out.add(utf8, at, at + bytes);
      } else {
        long rule = map.longest(utf8, at);
        bytes = rule == 0 ? length(utf8[at]) : (int) (rule >>> 32);
        chars = chars(utf8, at, bytes);
        if (rule == 0) {
          out.add(utf8, at, at + bytes);
        } else {
          out.add(map.texts(), (int) rule, map.end((int) rule));
        }
      }
      at += bytes;
      atChar += chars;
    }
    return out.finish();
  }

  private static int length(byte first) {
    return first >= 0 ? 1 : (first & 0xE0) == 0xC0 ? 2 : (first & 0xF0) == 0xE0 ? 3 : 4;
  }

  private static int bytes(byte[] utf8, int from, int chars) {
    int at = from;
    for (int left = chars; left > 0; ) {
      int length = length(utf8[at]);
      left -= length == 4 ? 2 : 1;
      at += length;
    }
    return at - from;
  }

  private static int chars(byte[] utf8, int from, int bytes) {
    int chars = 0;
    for (int at = from; at < from + bytes; ) {
      int length = length(utf8[at]);
      chars += length == 4 ? 2 : 1;
      at += length;
    }
    return chars;
  }

  /** Collects the rewritten parts and takes care of spaces. */
  private final class Output {
    private final ByteArrayOutputStream out = new ByteArrayOutputStream();
    private boolean begun;
    private boolean afterSpace = options.removeExtra;

    void add(byte[] from, int begin, int end) {
      int start = begin;
      if (!begun && options.removeExtra && end == begin + 1 && from[begin] == ' ') {
        return; // a space at the very beginning, where rules may still give an empty text
      }
      begin();
      while (afterSpace && start < end && from[start] == ' ') {
        start++;
      }
      for (int i = start; i < end; i++) {
        if (from[i] == ' ') {
          space();
        } else {
          out.write(from[i]);
        }
      }
      if (start < end) {
        afterSpace = options.removeExtra && from[end - 1] == ' ';
      }
    }

    private void begin() {
      if (!begun && options.dummyPrefix && !options.asSuffix) {
        space();
      }
      begun = true;
    }

    private void space() {
      if (options.escape) {
        out.writeBytes(SPACE_BYTES);
      } else {
        out.write(' ');
      }
    }

    String finish() {
      if (!begun) {
        return "";
      }
      String text = out.toString(StandardCharsets.UTF_8);
      String space = options.escape ? SPACE : " ";
      int end = text.length();
      while (options.removeExtra && end > 0 && text.startsWith(space, end - 1)) {
        end--;
      }
      text = text.substring(0, end);
      return options.dummyPrefix && options.asSuffix ? text + space : text;
    }
  }
}
