package io.heddle.metrics;

import io.heddle.text.Spaces;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Locale;

/**
 * ROUGE (Lin 2004) as google-research's {@code rouge_score} computes it: words are runs of ASCII
 * letters and digits in lower case; of several references that with the best F-score counts; the
 * corpus score is the mean over segments.
 *
 * @param kind {@code 1} to {@code 9} for n-grams, {@code L} for the longest common subsequence of
 *     the whole text, {@code Lsum} for its union over sentences, which newlines end
 * @param stemmed whether words of more than three letters are stemmed by Porter's rules
 */
public record Rouge(String kind, boolean stemmed) implements TextMetric<Rouge.Score> {
  private static final int LONGEST_STEM = 3;

  /** Checks the kind. */
  public Rouge {
    if (!kind.matches("[1-9]|L|Lsum")) {
      throw new IllegalArgumentException(
          "there is no ROUGE-" + kind + "; there are ROUGE-1 to ROUGE-9, L and Lsum");
    }
  }

  /**
   * Mean precision, recall and F-score.
   *
   * @param name {@code ROUGE-1}, ...
   * @param precision from 0 to 100
   * @param recall from 0 to 100
   * @param f1 from 0 to 100, the mean of the segments' own
   */
  public record Score(String name, double precision, double recall, double f1)
      implements MetricScore {
    @Override
    public double value() {
      return f1;
    }

    @Override
    public String details() {
      return "(P = " + Digits.of(precision, 2) + " R = " + Digits.of(recall, 2) + ")";
    }
  }

  /** Precision, recall and F-score from 0 to 1, and 1. */
  @Override
  public int width() {
    return 4;
  }

  @Override
  public double[] count(String hypothesis, List<String> references) {
    TextMetric.required(references);
    double[] best = {};
    for (String reference : references) {
      double[] row = compare(hypothesis, reference);
      if (best.length == 0 || row[2] > best[2]) {
        best = row;
      }
    }
    return best;
  }

  private double[] compare(String hypothesis, String reference) {
    Symbols symbols = new Symbols();
    if (kind.equals("Lsum")) {
      return summary(sentences(reference, symbols), sentences(hypothesis, symbols));
    }
    int[] wanted = symbols.of(words(reference));
    int[] given = symbols.of(words(hypothesis));
    if (kind.equals("L")) {
      int common = commonLengths(wanted, given)[wanted.length][given.length];
      return row(common, given.length, wanted.length);
    }
    int n = Integer.parseInt(kind);
    Grams grams = new Grams(n);
    double[] matches = new double[n];
    grams.matches(grams.count(given), grams.count(wanted), matches, 0);
    int total = Grams.total(given.length, n);
    return row((int) matches[n - 1], total, Grams.total(wanted.length, n));
  }

  private static double[] row(int hits, int given, int wanted) {
    double precision = (double) hits / Math.max(given, 1);
    double recall = (double) hits / Math.max(wanted, 1);
    double sum = precision + recall;
    return new double[] {precision, recall, sum > 0 ? 2 * precision * recall / sum : 0, 1};
  }

  private List<int[]> sentences(String text, Symbols symbols) {
    List<int[]> out = new ArrayList<>();
    for (String sentence : text.split("\n", -1)) {
      out.add(symbols.of(words(sentence)));
    }
    return out;
  }

  private List<String> words(String text) {
    StringBuilder plain = new StringBuilder(text.toLowerCase(Locale.ROOT));
    for (int i = 0; i < plain.length(); i++) {
      char c = plain.charAt(i);
      if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9')) {
        plain.setCharAt(i, ' ');
      }
    }
    List<String> words = Spaces.split(plain.toString());
    if (stemmed) {
      words.replaceAll(w -> w.length() > LONGEST_STEM ? PorterStemmer.stem(w) : w);
    }
    return words;
  }

  /**
   * Section 3.2 of the paper: a reference sentence's words that lie on its longest common
   * subsequence with any sentence of the hypothesis; no word counts oftener than both texts have
   * it.
   */
  private static double[] summary(List<int[]> wanted, List<int[]> given) {
    int wantedWords = wanted.stream().mapToInt(s -> s.length).sum();
    int givenWords = given.stream().mapToInt(s -> s.length).sum();
    int[] left = new int[wantedWords + givenWords];
    int[] leftWanted = new int[left.length];
    given.forEach(s -> add(s, left));
    wanted.forEach(s -> add(s, leftWanted));
    int hits = 0;
    for (int[] sentence : wanted) {
      BitSet union = new BitSet();
      given.forEach(other -> onCommon(sentence, other, union));
      for (int i = union.nextSetBit(0); i >= 0; i = union.nextSetBit(i + 1)) {
        int word = sentence[i];
        if (left[word] > 0 && leftWanted[word] > 0) {
          left[word]--;
          leftWanted[word]--;
          hits++;
        }
      }
    }
    return row(hits, givenWords, wantedWords);
  }

  private static void add(int[] sentence, int[] counts) {
    for (int word : sentence) {
      counts[word]++;
    }
  }

  private static int[][] commonLengths(int[] a, int[] b) {
    int[][] lengths = new int[a.length + 1][b.length + 1];
    for (int i = 1; i <= a.length; i++) {
      for (int j = 1; j <= b.length; j++) {
        lengths[i][j] =
            a[i - 1] == b[j - 1]
                ? lengths[i - 1][j - 1] + 1
                : Math.max(lengths[i - 1][j], lengths[i][j - 1]);
      }
    }
    return lengths;
  }

  private static void onCommon(int[] a, int[] b, BitSet out) {
    int[][] lengths = commonLengths(a, b);
    int i = a.length;
    int j = b.length;
    while (i > 0 && j > 0) {
      if (a[i - 1] == b[j - 1]) {
        out.set(--i);
        j--;
      } else if (lengths[i][j - 1] > lengths[i - 1][j]) {
        j--;
      } else {
        i--;
      }
    }
  }

  @Override
  public Score score(double[] sums) {
    double scale = sums[3] == 0 ? 0 : 100 / sums[3];
    return new Score("ROUGE-" + kind, scale * sums[0], scale * sums[1], scale * sums[2]);
  }

  @Override
  public String signature(String references) {
    return "nrefs:" + references + "|stem:" + (stemmed ? "porter" : "no") + "|mean:segments";
  }
}
