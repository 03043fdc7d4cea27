package io.heddle.metrics;

/**
 * The rules of NIST's mteval-v13a that cut Western text, as passes over characters: each pass reads
 * left to right and never looks at a character twice, as a global substitution does.
 */
final class MtevalRules {
  private MtevalRules() {}

  /** Entities as characters. */
  static String entities(String line) {
    if (line.indexOf('&') < 0) {
      return line;
    }
    return line.replace("&quot;", "\"")
        .replace("&amp;", "&")
        .replace("&lt;", "<")
        .replace("&gt;", ">");
  }

  /** Spaces round ASCII punctuation but for apostrophe, comma, dash and full stop. */
  static CharSequence punctuation(CharSequence line) {
    StringBuilder out = new StringBuilder(line.length() * 2);
    for (int i = 0; i < line.length(); i++) {
      char c = line.charAt(i);
      if (c < 0x80 && isMark(c)) {
        out.append(' ').append(c).append(' ');
      } else {
        out.append(c);
      }
    }
    return out;
  }

  private static boolean isMark(char c) {
    return (c >= '{' && c <= '~')
        || (c >= '[' && c <= '`')
        || (c >= ' ' && c <= '&')
        || (c >= '(' && c <= '+')
        || (c >= ':' && c <= '@')
        || c == '/';
  }

  /** Cuts off full stops and commas that are not within a number, and dashes after digits. */
  static String stopsAndDashes(CharSequence line) {
    return dashes(stopsBeforeOthers(stopsAfterOthers(line)));
  }

  private static CharSequence stopsAfterOthers(CharSequence line) {
    StringBuilder out = new StringBuilder(line.length() + 16);
    for (int i = 0; i < line.length(); i++) {
      char c = line.charAt(i);
      out.append(c);
      if (!isDigit(c) && i + 1 < line.length() && isStop(line.charAt(i + 1))) {
        out.append(' ').append(line.charAt(++i)).append(' ');
      }
    }
    return out;
  }

  private static CharSequence stopsBeforeOthers(CharSequence line) {
    StringBuilder out = new StringBuilder(line.length() + 16);
    for (int i = 0; i < line.length(); i++) {
      char c = line.charAt(i);
      if (isStop(c) && i + 1 < line.length() && !isDigit(line.charAt(i + 1))) {
        out.append(' ').append(c).append(' ').append(line.charAt(++i));
      } else {
        out.append(c);
      }
    }
    return out;
  }

  private static String dashes(CharSequence line) {
    StringBuilder out = new StringBuilder(line.length() + 16);
    for (int i = 0; i < line.length(); i++) {
      char c = line.charAt(i);
      out.append(c);
      if (isDigit(c) && i + 1 < line.length() && line.charAt(i + 1) == '-') {
        out.append(' ').append(line.charAt(++i)).append(' ');
      }
    }
    return out.toString();
  }

  private static boolean isDigit(char c) {
    return c >= '0' && c <= '9';
  }

  private static boolean isStop(char c) {
    return c == '.' || c == ',';
  }
}
