package io.heddle.text;

import java.util.ArrayList;
import java.util.List;

/**
 * BERT's basic tokenizer (Devlin et al. 2019): drops control characters, puts spaces around Chinese
 * characters, cuts at spaces, lower-cases, strips accents, and makes every punctuation mark a word.
 *
 * @param lowerCase whether to lower-case
 * @param stripAccents whether to drop combining marks
 * @param splitChinese whether every Chinese character is a word
 */
record BertWords(boolean lowerCase, boolean stripAccents, boolean splitChinese) {
  private static final Normalization LOWER = Normalization.lowerCase();
  private static final Normalization PLAIN = Normalization.withoutAccents();

  /** The words of a text, in order. */
  List<String> split(String text) {
    List<String> out = new ArrayList<>();
    StringBuilder word = new StringBuilder();
    for (int at = 0; at < text.length(); ) {
      int c = text.codePointAt(at);
      at += Character.charCount(c);
      if (isSpace(c)) {
        flush(word, out);
      } else if (splitChinese && isChinese(c)) {
        flush(word, out);
        flush(word.appendCodePoint(c), out);
      } else if (!isDropped(c)) {
        word.appendCodePoint(c);
      }
    }
    flush(word, out);
    return out;
  }

  // Lower-casing sees the word before punctuation is cut off: a final sigma depends on it.
  private void flush(StringBuilder raw, List<String> out) {
    if (raw.isEmpty()) {
      return;
    }
    String word = raw.toString();
    raw.setLength(0);
    if (lowerCase) {
      word = LOWER.of(word);
    }
    if (stripAccents) {
      word = PLAIN.of(word);
    }
    int start = 0;
    for (int at = 0; at < word.length(); ) {
      int c = word.codePointAt(at);
      int end = at + Character.charCount(c);
      if (isPunctuation(c)) {
        add(word, start, at, out);
        add(word, at, end, out);
        start = end;
      }
      at = end;
    }
    add(word, start, word.length(), out);
  }

  private static void add(String word, int from, int to, List<String> out) {
    if (from < to) {
      out.add(word.substring(from, to));
    }
  }

  static boolean isSpace(int c) {
    return c < 0x80
        ? c == ' ' || c == '\t' || c == '\n' || c == '\r'
        : Character.isSpaceChar(c); // none lies outside the first 65,536
  }

  /**
   * Where the first stretch without spaces from {@code from} on begins; the text's length: none.
   */
  static int begin(String text, int from) {
    int at = from;
    while (at < text.length() && isSpace(text.charAt(at))) {
      at++;
    }
    return at;
  }

  /** Where the stretch that begins at {@code from} ends: its words depend on nothing around it. */
  static int end(String text, int from) {
    int at = from;
    while (at < text.length() && !isSpace(text.charAt(at))) {
      at++;
    }
    return at;
  }

  // Unicode's C categories: control, format, private, surrogate, unassigned.
  static boolean isDropped(int c) {
    return c == 0xFFFD
        || switch (Character.getType(c)) {
          case Character.CONTROL,
              Character.FORMAT,
              Character.PRIVATE_USE,
              Character.SURROGATE,
              Character.UNASSIGNED ->
              true;
          default -> false;
        };
  }

  /** All printable ASCII that is no letter or digit, and Unicode's P categories. */
  static boolean isPunctuation(int c) {
    if (c < 0x80) {
      return c > ' ' && c < 0x7F && !Character.isLetterOrDigit(c);
    }
    return switch (Character.getType(c)) {
      case Character.CONNECTOR_PUNCTUATION,
          Character.DASH_PUNCTUATION,
          Character.START_PUNCTUATION,
          Character.END_PUNCTUATION,
          Character.INITIAL_QUOTE_PUNCTUATION,
          Character.FINAL_QUOTE_PUNCTUATION,
          Character.OTHER_PUNCTUATION ->
          true;
      default -> false;
    };
  }

  // The CJK ideographs that BERT's authors list, without later extensions.
  static boolean isChinese(int c) {
    return (c >= 0x4E00 && c <= 0x9FFF)
        || (c >= 0x3400 && c <= 0x4DBF)
        || (c >= 0xF900 && c <= 0xFAFF)
        || (c >= 0x20000 && c <= 0x2A6DF)
        || (c >= 0x2A700 && c <= 0x2CEAF)
        || (c >= 0x2F800 && c <= 0x2FA1F);
  }
}
