package io.heddle.metrics;

import io.heddle.text.Spaces;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * chrF and chrF++ (Popović 2015, 2017) as sacreBLEU computes them: the F-score of character
 * n-grams, and of word n-grams with single marks cut off words, against the reference that scores
 * best.
 *
 * @param characterOrder the largest n of characters, usually 6
 * @param wordOrder the largest n of words: 0 for chrF, 2 for chrF++
 * @param beta how many times recall weighs as much as precision, usually 2
 * @param lowerCase whether lines are lower-cased first
 * @param spaces whether white space counts as a character
 * @param epsilon whether absent orders count with a tiny value, as in the author's own program,
 *     instead of being left out
 */
public record ChrF(
    int characterOrder, int wordOrder, int beta, boolean lowerCase, boolean spaces, boolean epsilon)
    implements TextMetric<ChrF.Score> {
  private static final double TINY = 1e-16;

  /** Checks the orders. */
  public ChrF {
    if (characterOrder < 0 || wordOrder < 0 || characterOrder + wordOrder < 1) {
      throw new IllegalArgumentException(
          "chrF needs an order of at least 1, not " + characterOrder + " and " + wordOrder);
    }
  }

  /** chrF2 with sacreBLEU's defaults. */
  public static ChrF standard() {
    return new ChrF(6, 0, 2, false, false, false);
  }

  /** chrF2++: word n-grams up to 2 beside the characters. */
  public static ChrF plusPlus() {
    return new ChrF(6, 2, 2, false, false, false);
  }

  /**
   * A chrF score.
   *
   * @param value from 0 to 100
   * @param name with beta, and a plus for every order of words
   */
  public record Score(double value, String name) implements MetricScore {}

  /** Of each order, characters first: n-grams of the hypothesis, of the reference, and matches. */
  @Override
  public int width() {
    return 3 * (characterOrder + wordOrder);
  }

  @Override
  public double[] count(String hypothesis, List<String> references) {
    TextMetric.required(references);
    Grams characters = new Grams(characterOrder);
    Grams words = new Grams(wordOrder);
    Symbols symbols = new Symbols();
    Text own = text(hypothesis, characters, words, symbols);
    double[] best = {};
    double most = -1;
    for (String reference : references) {
      Text other = text(reference, characters, words, symbols);
      double[] row = new double[width()];
      fill(row, 0, characters, characterOrder, own.characters, other.characters);
      fill(row, 3 * characterOrder, words, wordOrder, own.words, other.words);
      double score = value(row);
      if (score > most) {
        most = score;
        best = row;
      }
    }
    return best;
  }

  /** A sequence's length and counts of grams. */
  private static final class Counted {
    final int length;
    final int[] grams;

    Counted(int[] symbols, Grams known) {
      length = symbols.length;
      grams = known.count(symbols);
    }
  }

  private record Text(Counted characters, Counted words) {}

  private Text text(String line, Grams characters, Grams words, Symbols symbols) {
    String cased = lowerCase ? line.toLowerCase(Locale.ROOT) : line;
    int[] kept = cased.codePoints().filter(c -> spaces || !Spaces.isSpace(c)).toArray();
    int[] cut = wordOrder == 0 ? new int[0] : symbols.of(words(cased));
    return new Text(new Counted(kept, characters), new Counted(cut, words));
  }

  private static void fill(double[] row, int from, Grams grams, int orders, Counted a, Counted b) {
    double[] matches = new double[orders];
    grams.matches(a.grams, b.grams, matches, 0);
    for (int n = 1; n <= orders; n++) {
      int at = from + 3 * (n - 1);
      int references = Grams.total(b.length, n);
      // N-grams that the reference is too short to have do not count against the hypothesis.
      row[at] = references > 0 ? Grams.total(a.length, n) : 0;
      row[at + 1] = references;
      row[at + 2] = matches[n - 1];
    }
  }

  /** Cuts one mark off the end of every word, or else off its beginning. */
  private static List<String> words(String line) {
    List<String> out = new ArrayList<>();
    for (String word : Spaces.split(line)) {
      int last = word.length() - 1;
      if (last == 0 || word.codePointCount(0, word.length()) == 1) {
        out.add(word);
      } else if (isMark(word.charAt(last))) {
        out.addAll(List.of(word.substring(0, last), word.substring(last)));
      } else if (isMark(word.charAt(0))) {
        out.addAll(List.of(word.substring(0, 1), word.substring(1)));
      } else {
        out.add(word);
      }
    }
    return out;
  }

  private static boolean isMark(char c) {
    return c > ' ' && c < 0x7F && !Character.isLetterOrDigit(c);
  }

  @Override
  public Score score(double[] sums) {
    String name = "chrF" + beta + "+".repeat(wordOrder);
    return new Score(value(sums), name);
  }

  private double value(double[] sums) {
    int orders = characterOrder + wordOrder;
    double factor = (double) beta * beta;
    double mean = 0;
    double precisions = 0;
    double recalls = 0;
    int present = 0;
    for (int i = 0; i < orders; i++) {
      double own = sums[3 * i];
      double others = sums[3 * i + 1];
      double precision = own > 0 ? sums[3 * i + 2] / own : TINY;
      double recall = others > 0 ? sums[3 * i + 2] / others : TINY;
      double weight = factor * precision + recall;
      mean += weight > 0 ? (1 + factor) * precision * recall / weight : TINY;
      if (own > 0 && others > 0) {
        precisions += precision;
        recalls += recall;
        present++;
      }
    }
    if (epsilon) {
      return 100 * mean / orders;
    }
    if (present == 0 || precisions + recalls == 0) {
      return 0;
    }
    double precision = precisions / present;
    double recall = recalls / present;
    return 100 * ((1 + factor) * precision * recall / (factor * precision + recall));
  }

  @Override
  public String signature(String references) {
    return String.join(
        "|",
        Arrays.asList(
            "nrefs:" + references,
            "case:" + (lowerCase ? "lc" : "mixed"),
            "eff:" + (epsilon ? "no" : "yes"),
            "nc:" + characterOrder,
            "nw:" + wordOrder,
            "space:" + (spaces ? "yes" : "no"),
            "version:" + SACREBLEU));
  }
}
