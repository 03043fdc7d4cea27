package io.heddle.text;

import java.util.List;
import java.util.regex.Pattern;

/** A global substitution by a regular expression, and chains of them. */
record Substitution(Pattern pattern, String replacement) implements Normalization {
  /** Classes are Unicode's. */
  static Substitution of(String expression, String replacement) {
    return new Substitution(
        Pattern.compile(expression, Pattern.UNICODE_CHARACTER_CLASS), replacement);
  }

  @Override
  public String of(String text) {
    return pattern.matcher(text).replaceAll(replacement);
  }

  /** All of them, in order. */
  static String all(List<Substitution> chain, String text) {
    String out = text;
    for (Substitution step : chain) {
      out = step.of(out);
    }
    return out;
  }
}
