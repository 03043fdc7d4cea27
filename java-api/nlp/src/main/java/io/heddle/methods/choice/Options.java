package io.heddle.methods.choice;

import java.util.ArrayList;
import java.util.List;

/** Options that are written into a question's text. */
final class Options {
  private Options() {}

  /**
   * The texts of {@code (A) one (B) two ...}: letters are looked for in their order, so that an
   * option may hold a bracketed letter that is not the next one.
   */
  static List<String> lettered(String text) {
    List<String> out = new ArrayList<>();
    int at = text.indexOf("(A)");
    for (char letter = 'B'; at >= 0; letter++) {
      int next = letter > 'Z' ? -1 : text.indexOf("(" + letter + ")", at + 3);
      out.add(text.substring(at + 3, next < 0 ? text.length() : next).strip());
      at = next;
    }
    return out;
  }

  /**
   * The options in the lines after the last line {@code Options:}; of {@code (A) one} the letter
   * {@code (A)}, of {@code - one} the text. None when there is no such line.
   */
  static List<String> listed(String text) {
    List<String> out = new ArrayList<>();
    int at = ("\n" + text).lastIndexOf("\nOptions:\n");
    if (at >= 0) {
      for (String line : text.substring(at + "Options:\n".length()).split("\n", -1)) {
        if (line.matches("\\([A-Z]\\).*")) {
          out.add(line.substring(0, 3));
        } else if (line.startsWith("- ")) {
          out.add(line.substring(2).strip());
        }
      }
    }
    return out;
  }
}
