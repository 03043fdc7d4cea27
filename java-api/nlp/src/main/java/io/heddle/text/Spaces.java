package io.heddle.text;

import java.util.ArrayList;
import java.util.List;

/**
 * White space as Python's {@code str.split}, {@code strip} and {@code isspace} know it, which is
 * what the reference tools of this field are written in: Unicode's separators, the controls U+0009
 * to U+000D and U+001C to U+001F, and U+0085.
 */
public final class Spaces {
  private Spaces() {}

  /** Whether the code point is white space. */
  public static boolean isSpace(int c) {
    if (c < 0x80) {
      return c == ' ' || (c >= 9 && c <= 13) || (c >= 0x1C && c <= 0x1F);
    }
    return c == 0x85 || Character.isSpaceChar(c);
  }

  /** The runs of other characters, in order; none for a blank text. */
  public static List<String> split(String text) {
    List<String> out = new ArrayList<>();
    int start = -1;
    // Every space is one char, so that surrogates need no care.
    for (int at = 0; at < text.length(); at++) {
      boolean space = isSpace(text.charAt(at));
      if (space && start >= 0) {
        out.add(text.substring(start, at));
      }
      start = space ? -1 : start < 0 ? at : start;
    }
    if (start >= 0) {
      out.add(text.substring(start));
    }
    return out;
  }

  /** The text without white space at its end. */
  public static String stripEnd(String text) {
    int end = text.length();
    while (end > 0 && isSpace(text.charAt(end - 1))) {
      end--;
    }
    return text.substring(0, end);
  }

  /** The text without white space at both ends. */
  public static String strip(String text) {
    int start = 0;
    while (start < text.length() && isSpace(text.charAt(start))) {
      start++;
    }
    return stripEnd(text.substring(start));
  }
}
