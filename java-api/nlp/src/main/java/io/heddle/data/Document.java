package io.heddle.data;

import java.util.List;

/**
 * A text with the name of where it comes from.
 *
 * @param name file, or file and line
 * @param text the text
 */
public record Document(String name, String text) {
  /**
   * The document without its last lines, and those lines: the rule that makes a held-out part of a book without looking at it.
   *
   * @param fraction of the lines that are held out, rounded down
   */
  public List<Document> holdOut(double fraction) {
    if (!(fraction >= 0 && fraction < 1)) {
      throw new IllegalArgumentException("held-out fraction " + fraction + " must be in [0, 1)");
    }
    long lines = text.chars().filter(c -> c == '\n').count();
    long kept = lines - (long) (lines * fraction);
    int at = 0;
    for (long i = 0; i < kept; i++) {
      at = text.indexOf('\n', at) + 1;
    }
    if (fraction == 0) {
      at = text.length();
    }
    return List.of(new Document(name, text.substring(0, at)), new Document(name + " (held out)", text.substring(at)));
  }
}
