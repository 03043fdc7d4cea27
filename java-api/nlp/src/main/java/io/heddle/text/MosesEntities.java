package io.heddle.text;

import java.util.Map;

/** The entities by which Moses writes characters that it uses itself. */
final class MosesEntities {
  private static final String[][] READ = {
    {"&bar;", "|"},
    {"&#124;", "|"},
    {"&lt;", "<"},
    {"&gt;", ">"},
    {"&bra;", "["},
    {"&ket;", "]"},
    {"&quot;", "\""},
    {"&apos;", "'"},
    {"&#91;", "["},
    {"&#93;", "]"},
    {"&amp;", "&"}
  };

  private static final Map<Character, String> WRITTEN =
      Map.of(
          '&', "&amp;", '|', "&#124;", '<', "&lt;", '>', "&gt;", '\'', "&apos;", '"', "&quot;", '[',
          "&#91;", ']', "&#93;");

  private MosesEntities() {}

  static String escape(String text) {
    StringBuilder out = new StringBuilder(text.length() + 16);
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      String entity = WRITTEN.get(c);
      out.append(entity == null ? String.valueOf(c) : entity);
    }
    return out.toString();
  }

  /** The characters again, those of older versions of Moses too; the ampersand last. */
  static String unescape(String text) {
    String out = text;
    for (String[] entity : READ) {
      out = out.replace(entity[0], entity[1]);
    }
    return out;
  }

  /** Whether the character is of a script that is written without spaces, or Hangul. */
  static boolean isCjkScript(int c) {
    return switch (Character.UnicodeScript.of(c)) {
      case HAN, HIRAGANA, KATAKANA, HANGUL -> true;
      default -> false;
    };
  }
}
