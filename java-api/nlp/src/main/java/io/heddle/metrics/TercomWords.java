package io.heddle.metrics;

import io.heddle.text.Spaces;
import java.util.List;
import java.util.Locale;

/**
 * How tercom cuts a line into words (Snover et al. 2006), as sacreBLEU reads it. tercom's rules for
 * runs of kana never apply, since the line begins with a space by then.
 *
 * @param normalized whether punctuation is cut off words
 * @param punctuation whether punctuation is kept
 * @param asian whether the two above also know Asian characters
 * @param caseSensitive whether case is kept
 */
record TercomWords(boolean normalized, boolean punctuation, boolean asian, boolean caseSensitive) {
  private static final String MARKS = ".,?:;!\"()";

  List<String> split(String line) {
    String text = caseSensitive ? line : line.toLowerCase(Locale.ROOT);
    if (normalized && !text.isEmpty()) {
      text = western(text);
      text = asian ? spread(text) : text;
    }
    return Spaces.split(punctuation ? text : withoutMarks(text));
  }

  private static String western(String line) {
    String joined = line.replace("\n-", "").replace('\n', ' ');
    String text = " " + MtevalRules.entities(joined) + " ";
    String marked = MtevalRules.punctuation(text).toString().replace("'s ", " 's ");
    return MtevalRules.stopsAndDashes(marked);
  }

  private static String spread(String line) {
    StringBuilder out = new StringBuilder(2 * line.length());
    for (int i = 0; i < line.length(); i++) {
      char c = line.charAt(i);
      if (isIdeograph(c) || isAsianMark(c)) {
        out.append(' ').append(c).append(' ');
      } else {
        out.append(c);
      }
    }
    return out.toString();
  }

  private static boolean isIdeograph(char c) {
    return (c >= 0x4E00 && c <= 0x9FFF)
        || (c >= 0x2E80 && c <= 0x2EFF)
        || (c >= 0x31C0 && c <= 0x31EF)
        || (c >= 0x3200 && c <= 0x4DBF)
        || (c >= 0xF900 && c <= 0xFAFF)
        || (c >= 0xFE30 && c <= 0xFE4F);
  }

  private static boolean isAsianMark(char c) {
    return c == 0x3001
        || c == 0x3002
        || (c >= 0x3008 && c <= 0x3011)
        || (c >= 0x3014 && c <= 0x301F)
        || c == 0x30FB
        || (c >= 0xFF61 && c <= 0xFF65)
        || "．，？：；！＂（）".indexOf(c) >= 0;
  }

  private String withoutMarks(String line) {
    StringBuilder out = new StringBuilder(line.length());
    for (int i = 0; i < line.length(); i++) {
      char c = line.charAt(i);
      if (MARKS.indexOf(c) < 0 && !(asian && isAsianMark(c))) {
        out.append(c);
      }
    }
    return out.toString();
  }
}
