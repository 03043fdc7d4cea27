package io.heddle.metrics;

import io.heddle.text.Spaces;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** How answers are compared: lower case, without punctuation, articles and doubled spaces. */
public enum SquadAnswers {
  /** SQuAD's own rule (Rajpurkar et al. 2016): ASCII punctuation vanishes. */
  SQUAD("", ""),
  /**
   * TriviaQA's (Joshi et al. 2017): it becomes a space, and quotation marks are punctuation too.
   */
  TRIVIA_QA(" ", "\u2018\u2019\u00B4");

  private final String instead;
  private final String more;

  SquadAnswers(String instead, String more) {
    this.instead = instead;
    this.more = more;
  }

  /** The words that count. */
  List<String> words(String answer) {
    String lower = answer.toLowerCase(Locale.ROOT);
    StringBuilder text = new StringBuilder(lower.length());
    for (int i = 0; i < lower.length(); i++) {
      char c = lower.charAt(i);
      boolean mark = c > ' ' && c < 0x7F && !Character.isLetterOrDigit(c);
      if (mark || more.indexOf(c) >= 0) {
        text.append(instead);
      } else {
        text.append(c);
      }
    }
    return Spaces.split(withoutArticles(text.toString()));
  }

  private static String withoutArticles(String text) {
    StringBuilder out = new StringBuilder(text.length());
    int start = 0;
    for (int at = 0; at <= text.length(); ) {
      int c = at < text.length() ? text.codePointAt(at) : ' ';
      if (!isWordCharacter(c)) {
        String run = text.substring(start, at);
        boolean article = run.equals("a") || run.equals("an") || run.equals("the");
        out.append(article ? " " : run).appendCodePoint(c);
        start = at + Character.charCount(c);
      }
      at += Character.charCount(c);
    }
    return out.toString();
  }

  // Python's \w: letters and whatever is a number, but no combining marks.
  private static boolean isWordCharacter(int c) {
    int type = Character.getType(c);
    return Character.isLetterOrDigit(c)
        || type == Character.LETTER_NUMBER
        || type == Character.OTHER_NUMBER
        || c == '_';
  }

  /** Whether the words are the same. */
  boolean exact(String a, String b) {
    return words(a).equals(words(b));
  }

  /** Harmonic mean of the shares of words in common, 0 to 1; 0 if there are none in common. */
  double f1(String a, String b) {
    List<String> wanted = words(a);
    List<String> given = words(b);
    Map<String, int[]> left = new HashMap<>();
    wanted.forEach(w -> left.computeIfAbsent(w, k -> new int[1])[0]++);
    int common = 0;
    for (String word : given) {
      int[] count = left.getOrDefault(word, new int[1]);
      common += count[0]-- > 0 ? 1 : 0;
    }
    if (common == 0) {
      return 0;
    }
    double precision = (double) common / given.size();
    double recall = (double) common / wanted.size();
    return 2 * precision * recall / (precision + recall);
  }
}
