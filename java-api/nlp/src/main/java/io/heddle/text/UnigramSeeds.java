package io.heddle.text;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * The pieces that unigram training begins with: all characters, and the substrings of words that
 * save most, by count times length. A substring stays within a script, digits being one of their
 * own, and has the mark of a space only in front, as in SentencePiece.
 */
final class UnigramSeeds {
  private static final int LONGEST = 16;
  private static final char SPACE = PieceNormalizer.SPACE.charAt(0);

  private static final Comparator<Seed> ORDER =
      Comparator.comparingLong(Seed::saved).reversed().thenComparing(Seed::text);

  private UnigramSeeds() {}

  /** A piece and how often it occurs. */
  record Seed(String text, long count) {
    private long saved() {
      return count * text.codePointCount(0, text.length());
    }
  }

  /**
   * The seeds: characters first, then substrings, each by what they save, equal ones in the order
   * of their text.
   *
   * @param words with their counts
   * @param most substrings to keep
   */
  static List<Seed> of(Map<String, Long> words, int most) {
    Map<String, Long> known = characters(words);
    List<Seed> out = sorted(known);
    List<Seed> substrings = new ArrayList<>();
    // A substring is frequent only if the two that are one character shorter are: level by level
    // memory holds no more than the next level may need.
    Set<String> frequent = new HashSet<>(known.keySet());
    for (int length = 2; length <= LONGEST && !frequent.isEmpty(); length++) {
      Map<String, Long> counts = new HashMap<>();
      for (Map.Entry<String, Long> word : words.entrySet()) {
        count(word.getKey(), word.getValue(), length, frequent, counts);
      }
      counts.values().removeIf(count -> count < 2);
      counts.forEach((text, count) -> substrings.add(new Seed(text, count)));
      frequent = counts.keySet();
    }
    substrings.sort(ORDER);
    out.addAll(substrings.subList(0, Math.min(most, substrings.size())));
    return out;
  }

  private static List<Seed> sorted(Map<String, Long> counts) {
    List<Seed> out = new ArrayList<>();
    counts.forEach((text, count) -> out.add(new Seed(text, count)));
    out.sort(ORDER);
    return out;
  }

  /** How often each character occurs. */
  static Map<String, Long> characters(Map<String, Long> words) {
    Map<String, Long> out = new HashMap<>();
    words.forEach(
        (word, count) ->
            word.codePoints().forEach(c -> out.merge(Character.toString(c), count, Long::sum)));
    return out;
  }

  private static void count(
      String word, long times, int length, Set<String> frequent, Map<String, Long> counts) {
    int n = word.codePointCount(0, word.length());
    int from = 0;
    for (int i = 0; i + length <= n; i++) {
      int second = word.offsetByCodePoints(from, 1);
      int end = word.offsetByCodePoints(from, length);
      int last = word.offsetByCodePoints(end, -1);
      if (frequent.contains(word.substring(from, last))
          && frequent.contains(word.substring(second, end))
          && joins(word, from, second, last)) {
        counts.merge(word.substring(from, end), times, Long::sum);
      }
      from = second;
    }
  }

  // Longer ones have been checked pair by pair, so that the last two characters are left to check.
  private static boolean joins(String word, int from, int second, int last) {
    int a = word.codePointBefore(last);
    int b = word.codePointAt(last);
    boolean spaceFirst = b != SPACE && (a != SPACE || second == last);
    return spaceFirst && (a == SPACE || script(a) == script(b)) && from < last;
  }

  // Han and kana are written together.
  private static Character.UnicodeScript script(int c) {
    Character.UnicodeScript script = Character.UnicodeScript.of(c);
    return switch (script) {
      case HIRAGANA, KATAKANA -> Character.UnicodeScript.HAN;
      case INHERITED -> Character.UnicodeScript.COMMON;
      default -> c == 0x30FC ? Character.UnicodeScript.HAN : script;
    };
  }
}
