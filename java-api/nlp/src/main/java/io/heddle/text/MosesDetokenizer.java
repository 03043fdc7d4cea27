package io.heddle.text;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;

/**
 * Puts the words of {@link MosesTokenizer} together again, as sacremoses does after Moses' {@code
 * detokenizer.perl}: marks go to the word before or after them, quotation marks open and close in
 * turn, entities become characters. Rules of their own have en, fr, it, ga and ko; those of Czech
 * and Finnish are left out.
 *
 * @param language ISO 639 code
 */
public record MosesDetokenizer(String language) {
  private static final Pattern OPENING = Pattern.compile("^[\\p{Sc}\\(\\[\\{\\¿\\¡]+$");
  private static final Pattern CLOSING = Pattern.compile("^[\\,\\.\\?\\!\\:\\;\\\\\\%\\}\\]\\)]+$");
  private static final Pattern SPACED_IN_FRENCH = Pattern.compile("^[\\?\\!\\:\\;\\\\\\%]$");
  private static final Pattern QUOTES = Pattern.compile("^['\"„“`]+$");
  private static final Pattern TYPESET_QUOTES = Pattern.compile("^[„“”]+$");
  private static final Pattern CONTRACTION = Pattern.compile("^'\\p{IsAlphabetic}");
  private static final Pattern ELISION = Pattern.compile("\\p{IsAlphabetic}'$");
  private static final Pattern MORE_SPACES = Pattern.compile(" {2,}");

  /** The text of words. */
  public String text(List<String> words) {
    return detokenize(String.join(" ", words));
  }

  /** The text of words that have spaces between them. */
  public String detokenize(String line) {
    String padded = " " + line + " ";
    String plain = MosesEntities.unescape(padded.replace(" @-@ ", "-"));
    List<String> words = Spaces.split(plain);
    Writer out = new Writer();
    for (int i = 0; i < words.size(); i++) {
      String word = words.get(i);
      String before = i > 0 ? words.get(i - 1) : "";
      String after = i + 1 < words.size() ? words.get(i + 1) : "";
      word(word, before, after, out);
    }
    return Spaces.strip(MORE_SPACES.matcher(out.text).replaceAll(" "));
  }

  private void word(String word, String before, String after, Writer out) {
    if (isCjk(word.codePointAt(0)) && !language.equals("ko")) {
      boolean joins = !before.isEmpty() && isCjk(before.codePointBefore(before.length()));
      out.put(word, !joins, true);
    } else if (OPENING.matcher(word).find()) {
      out.put(word, true, false);
    } else if (CLOSING.matcher(word).find()) {
      if (language.equals("fr") && SPACED_IN_FRENCH.matcher(word).find()) {
        out.text.append(' ');
      }
      out.put(word, false, true);
    } else if (language.equals("en") && !before.isEmpty() && CONTRACTION.matcher(word).find()) {
      out.put(word, false, true);
    } else if (elides(word, after)) {
      out.put(word, true, false);
    } else if (QUOTES.matcher(word).find()) {
      quote(word, before, out);
    } else {
      out.put(word, true, true);
    }
  }

  private boolean elides(String word, String after) {
    boolean may = language.equals("fr") || language.equals("it") || language.equals("ga");
    return may
        && !after.isEmpty()
        && ELISION.matcher(word).find()
        && Character.isAlphabetic(after.codePointAt(0));
  }

  private void quote(String word, String before, Writer out) {
    String kind = TYPESET_QUOTES.matcher(word).find() ? "\"" : word;
    int seen = out.quotes.getOrDefault(kind, 0);
    if (seen % 2 == 1) {
      out.put(word, false, true);
    } else if (language.equals("en") && word.equals("'") && before.endsWith("s")) {
      out.put(word, false, true);
      return; // a possessive, which opens nothing
    } else {
      out.put(word, true, false);
    }
    out.quotes.put(kind, seen + 1);
  }

  // The blocks that sacremoses counts as Chinese, Japanese and Korean.
  private static boolean isCjk(int c) {
    return (c >= 0x1100 && c <= 0x11FF)
        || (c >= 0x2E80 && c <= 0xA4CF)
        || (c >= 0xA840 && c <= 0xA87F)
        || (c >= 0xAC00 && c <= 0xD7AF)
        || (c >= 0xF900 && c <= 0xFAFF)
        || (c >= 0xFE30 && c <= 0xFE4F)
        || (c >= 0xFF65 && c <= 0xFFDC)
        || (c >= 0x20000 && c <= 0x2FFFF);
  }

  /** The text so far, and whether the next word stands apart. */
  private static final class Writer {
    final StringBuilder text = new StringBuilder();
    final Map<String, Integer> quotes = new HashMap<>();
    private boolean apart = true;

    void put(String word, boolean apartBefore, boolean apartAfter) {
      text.append(apart && apartBefore ? " " : "").append(word);
      apart = apartAfter;
    }
  }
}
