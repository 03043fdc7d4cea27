package io.heddle.text;

/**
 * Cuts text into the words that GPT-2 merges within. The reference is the expression {@code
 * 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+} (Radford et al. 2019)
 * as Python's {@code regex} module reads it; written out by hand it runs several times faster than
 * {@link java.util.regex} and in constant stack.
 */
final class WordScanner {
  private enum Kind {
    LETTER,
    NUMBER,
    SPACE,
    OTHER
  }

  private static final Kind[] ASCII = new Kind[0x80];

  static {
    for (int c = 0; c < ASCII.length; c++) {
      ASCII[c] = found(c);
    }
  }

  private WordScanner() {}

  /**
   * The end of the word that begins at {@code from}.
   *
   * @param text without lone surrogates
   * @param from before the end of {@code text}
   */
  static int next(String text, int from) {
    char first = text.charAt(from);
    if (first == '\'') {
      int end = contraction(text, from);
      if (end > from) {
        return end;
      }
    }
    int start = first == ' ' && from + 1 < text.length() ? from + 1 : from;
    Kind kind = kind(text.codePointAt(start));
    if (kind != Kind.SPACE) {
      return run(text, start, kind);
    }
    int end = run(text, from, Kind.SPACE);
    // The last space before a word is left to that word, unless it is the only one.
    return end == text.length() || end == from + 1 ? end : end - 1;
  }

  private static int run(String text, int from, Kind kind) {
    int at = from;
    while (at < text.length()) {
      int c = text.codePointAt(at);
      if (kind(c) != kind) {
        break;
      }
      at += Character.charCount(c);
    }
    return at;
  }

  private static int contraction(String text, int from) {
    char a = from + 1 < text.length() ? text.charAt(from + 1) : 0;
    char b = from + 2 < text.length() ? text.charAt(from + 2) : 0;
    if (a == 's' || a == 't' || a == 'm' || a == 'd') {
      return from + 2;
    }
    boolean two = (a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l');
    return two ? from + 3 : from;
  }

  private static Kind kind(int c) {
    return c < ASCII.length ? ASCII[c] : found(c);
  }

  private static Kind found(int c) {
    if (isSpace(c)) {
      return Kind.SPACE;
    }
    return switch (Character.getType(c)) {
      case Character.UPPERCASE_LETTER,
          Character.LOWERCASE_LETTER,
          Character.TITLECASE_LETTER,
          Character.MODIFIER_LETTER,
          Character.OTHER_LETTER ->
          Kind.LETTER;
      case Character.DECIMAL_DIGIT_NUMBER, Character.LETTER_NUMBER, Character.OTHER_NUMBER ->
          Kind.NUMBER;
      default -> Kind.OTHER;
    };
  }

  /**
   * Unicode's White_Space, which is \s to Python's {@code regex} and to Hugging Face; Python's
   * {@code re} and {@code str.isspace} would add U+001C to U+001F, which GPT-2 never saw as spaces.
   */
  private static boolean isSpace(int c) {
    return switch (c) {
      case ' ', '\t', '\n', 0x0B, '\f', '\r', 0x85, 0xA0, 0x1680 -> true;
      case 0x2028, 0x2029, 0x202F, 0x205F, 0x3000 -> true;
      default -> c >= 0x2000 && c <= 0x200A;
    };
  }

  /** The text with every lone surrogate, which UTF-8 cannot write, replaced by U+FFFD. */
  static String wellFormed(String text) {
    int bad = loneSurrogate(text, 0);
    if (bad < 0) {
      return text;
    }
    StringBuilder out = new StringBuilder(text);
    for (; bad >= 0; bad = loneSurrogate(text, bad + 1)) {
      out.setCharAt(bad, '\uFFFD');
    }
    return out.toString();
  }

  private static int loneSurrogate(String text, int from) {
    int at = from;
    while (at < text.length()) {
      if (!Character.isSurrogate(text.charAt(at))) {
        at++;
      } else if (Character.isBmpCodePoint(text.codePointAt(at))) {
        return at; // codePointAt gives a surrogate only where it has no partner
      } else {
        at += 2;
      }
    }
    return -1;
  }
}
