package io.heddle.metrics;

import io.heddle.text.Spaces;
import java.util.List;

/**
 * Translation edit rate (Snover et al. 2006) as sacreBLEU computes it after tercom: the fewest
 * edits to any reference, shifts of runs of words included, over the references' mean length. Lower
 * is better.
 *
 * @param normalized whether punctuation is cut off words
 * @param punctuation whether punctuation is kept
 * @param asian whether the two above also know Asian characters
 * @param caseSensitive whether case is kept
 */
public record Ter(boolean normalized, boolean punctuation, boolean asian, boolean caseSensitive)
    implements TextMetric<Ter.Score> {
  /** sacreBLEU's defaults: words between spaces, lower-cased. */
  public static Ter standard() {
    return new Ter(false, true, false, false);
  }

  /**
   * A translation edit rate.
   *
   * @param value 100 edits per word of the reference
   * @param edits shifts and other edits
   * @param referenceLength sum of the segments' mean reference lengths
   */
  public record Score(double value, long edits, double referenceLength) implements MetricScore {
    @Override
    public String name() {
      return "TER";
    }
  }

  @Override
  public boolean lowerIsBetter() {
    return true;
  }

  /** Edits, and the references' mean length. */
  @Override
  public int width() {
    return 2;
  }

  @Override
  public double[] count(String hypothesis, List<String> references) {
    TextMetric.required(references);
    TercomWords words = new TercomWords(normalized, punctuation, asian, caseSensitive);
    Symbols symbols = new Symbols();
    int[] own = symbols.of(words.split(Spaces.stripEnd(hypothesis)));
    int fewest = Integer.MAX_VALUE;
    long length = 0;
    for (String reference : references) {
      int[] other = symbols.of(words.split(Spaces.stripEnd(reference)));
      fewest = Math.min(fewest, ShiftedEdits.count(own, other));
      length += other.length;
    }
    return new double[] {fewest, (double) length / references.size()};
  }

  @Override
  public Score score(double[] sums) {
    double rate = sums[1] > 0 ? sums[0] / sums[1] : sums[0] > 0 ? 1 : 0;
    return new Score(100 * rate, (long) sums[0], sums[1]);
  }

  @Override
  public String signature(String references) {
    return String.join(
        "|",
        "nrefs:" + references,
        "case:" + (caseSensitive ? "mixed" : "lc"),
        "tok:tercom",
        "norm:" + yes(normalized),
        "punct:" + yes(punctuation),
        "asian:" + yes(asian),
        "version:" + SACREBLEU);
  }

  private static String yes(boolean is) {
    return is ? "yes" : "no";
  }
}
