package io.heddle.metrics;

import java.util.List;

/**
 * A metric that compares texts with references by way of counts: each segment gives a row of
 * numbers, rows add up, and the score of any set of segments is a function of the sum. Scores of
 * shards, of single segments and of resamples are therefore the same code. Implementations are
 * immutable and safe for use by many threads.
 *
 * @param <S> the score
 */
public interface TextMetric<S extends MetricScore> {
  /** The version of sacreBLEU whose definitions are followed to the digit. */
  String SACREBLEU = "2.6.0";

  /** Numbers in a row. */
  int width();

  /**
   * The row of one segment, of {@link #width()} numbers.
   *
   * @param references at least one
   * @throws IllegalArgumentException without a reference
   */
  double[] count(String hypothesis, List<String> references);

  /** The score of a sum of rows. */
  S score(double[] sums);

  /** Whether a lower score is the better one. */
  default boolean lowerIsBetter() {
    return false;
  }

  /**
   * The settings in sacreBLEU's form, by which others can repeat a score.
   *
   * @param references how many each segment has, or {@code var} if they differ
   */
  String signature(String references);

  /** The score of one segment alone. */
  default S sentence(String hypothesis, List<String> references) {
    return score(count(hypothesis, references));
  }

  /** The references, if there are any. */
  static List<String> required(List<String> references) {
    if (references.isEmpty()) {
      throw new IllegalArgumentException("a segment has no reference");
    }
    return references;
  }
}
