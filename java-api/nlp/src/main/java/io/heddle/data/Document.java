package io.heddle.data;

import java.util.List;

/**
 * A text with the name of where it comes from.
 *
 * @param name file, or file and line
 * @param text the text
 */
public record Document(String name, String text) {
  // Keeps 100 lines times 0.29 from being 28.999999999999996.
  private static final double ROUNDING = 1e-9;

  /**
   * The document without its last lines, and those lines: the rule that makes a held-out part of a
   * book without looking at it. The two texts, end to end, are the text.
   *
   * @param fraction of the lines that are held out, rounded down
   */
  public List<Document> holdOut(double fraction) {
    if (!(fraction >= 0 && fraction < 1)) {
      throw new IllegalArgumentException("held-out fraction " + fraction + " must be in [0, 1)");
    }
    long lines = text.chars().filter(c -> c == '\n').count();
    if (!text.isEmpty() && !text.endsWith("\n")) {
      lines++;
    }
    long kept = lines - (long) (lines * fraction + ROUNDING);
    int at = 0;
    for (long i = 0; i < kept && at < text.length(); i++) {
      int end = text.indexOf('\n', at);
      at = end < 0 ? text.length() : end + 1;
    }
    return List.of(
        new Document(name, text.substring(0, at)),
        new Document(name + " (held out)", text.substring(at)));
  }
}
