package io.heddle.text;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Comparator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The {@code added_tokens} of a {@code tokenizer.json}: texts that are tokens of their own wherever
 * they stand. At a place the longest one counts.
 */
final class AddedTokens {
  /**
   * One of them.
   *
   * @param text as it is searched for
   * @param special whether it is a mark for the model rather than text
   * @param singleWord whether it counts only between characters that are of no word
   * @param stripLeft whether spaces before it belong to it
   * @param stripRight whether spaces behind it belong to it
   * @param normalized whether it is searched for in the normalized text
   */
  record Added(
      String text,
      int id,
      boolean special,
      boolean singleWord,
      boolean stripLeft,
      boolean stripRight,
      boolean normalized) {}

  /** A stretch of text, or a token. */
  record Stretch(String text, int id, boolean atStart) {
    static final int TEXT = -1;

    boolean isText() {
      return id == TEXT;
    }
  }

  private final List<Added> all = new ArrayList<>();
  private final Set<Integer> special = new LinkedHashSet<>();

  AddedTokens(JsonNode list) {
    for (JsonNode token : list) {
      Added added =
          new Added(
              token.path("content").asText(),
              token.path("id").asInt(),
              token.path("special").asBoolean(false),
              token.path("single_word").asBoolean(false),
              token.path("lstrip").asBoolean(false),
              token.path("rstrip").asBoolean(false),
              token.path("normalized").asBoolean(false));
      if (!added.text.isEmpty()) {
        all.add(added);
      }
      if (added.special) {
        special.add(added.id);
      }
    }
    all.sort(Comparator.comparingInt((Added a) -> a.text.length()).reversed());
  }

  List<Added> all() {
    return all;
  }

  boolean isSpecial(int id) {
    return special.contains(id);
  }

  /**
   * Tokens to search for, the longest first.
   *
   * @param firsts characters that one of them begins with: most places are passed over by these
   */
  record Search(List<Added> tokens, BitSet firsts) {
    Search(List<Added> tokens) {
      this(tokens, new BitSet());
      tokens.forEach(token -> firsts.set(token.text.charAt(0)));
    }
  }

  /** Those that are searched for before or after the text is normalized. */
  Search searched(boolean normalized, boolean withSpecial, Normalization normalization) {
    List<Added> out = new ArrayList<>();
    for (Added a : all) {
      if (a.normalized == normalized && (withSpecial || !a.special)) {
        String text = normalized ? normalization.of(a.text) : a.text;
        out.add(
            new Added(
                text, a.id, a.special, a.singleWord, a.stripLeft, a.stripRight, a.normalized));
      }
    }
    out.removeIf(a -> a.text.isEmpty());
    return new Search(out);
  }

  /** Cuts a text at tokens. */
  static List<Stretch> cut(String text, boolean atStart, Search search) {
    List<Stretch> out = new ArrayList<>();
    int done = 0;
    for (int at = 0; at < text.length(); ) {
      Added found = search.firsts.get(text.charAt(at)) ? found(text, at, search.tokens) : null;
      if (found == null || (found.singleWord && !standsAlone(text, at, found.text.length()))) {
        at++;
        continue;
      }
      int from = at;
      int to = at + found.text.length();
      while (found.stripLeft && from > done && Spaces.isSpace(text.charAt(from - 1))) {
        from--;
      }
      while (found.stripRight && to < text.length() && Spaces.isSpace(text.charAt(to))) {
        to++;
      }
      if (from > done) {
        out.add(new Stretch(text.substring(done, from), Stretch.TEXT, atStart && done == 0));
      }
      out.add(new Stretch(text.substring(from, to), found.id, atStart && from == 0));
      done = to;
      at = to;
    }
    if (done < text.length()) {
      out.add(new Stretch(text.substring(done), Stretch.TEXT, atStart && done == 0));
    }
    return out;
  }

  private static @Nullable Added found(String text, int at, List<Added> tokens) {
    for (Added token : tokens) {
      if (text.startsWith(token.text, at)) {
        return token;
      }
    }
    return null;
  }

  private static boolean standsAlone(String text, int from, int length) {
    int to = from + length;
    return (from == 0 || !isWordCharacter(text.codePointBefore(from)))
        && (to == text.length() || !isWordCharacter(text.codePointAt(to)));
  }

  // Unicode's \w: letters, marks, digits and connectors.
  private static boolean isWordCharacter(int c) {
    return Character.isAlphabetic(c)
        || switch (Character.getType(c)) {
          case Character.NON_SPACING_MARK,
              Character.ENCLOSING_MARK,
              Character.COMBINING_SPACING_MARK,
              Character.DECIMAL_DIGIT_NUMBER,
              Character.CONNECTOR_PUNCTUATION ->
              true;
          default -> false;
        };
  }
}
