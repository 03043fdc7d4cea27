package io.heddle.metrics;

/**
 * How well scores put positive examples before negative ones: the area under the ROC curve and the
 * average precision, as scikit-learn defines them. Keeps the scores; not safe for use by many
 * threads.
 */
public final class Ranking {
  private final Numbers scores = new Numbers();
  private final Numbers positives = new Numbers();

  /** Nothing added yet. */
  public Ranking() {}

  /** Adds an example; a higher score means more probably positive. */
  public Ranking add(double score, boolean positive) {
    scores.add(score);
    positives.add(positive ? 1 : 0);
    return this;
  }

  /** Adds what another has. */
  public Ranking merge(Ranking other) {
    scores.addAll(other.scores);
    positives.addAll(other.positives);
    return this;
  }

  /**
   * Both areas, from 0 to 1.
   *
   * @param positives how many
   * @param negatives how many
   * @param rocAuc probability that a positive example scores higher than a negative one, half of it
   *     when they score the same; NaN when either kind is missing
   * @param averagePrecision mean precision at the score of each positive example; NaN without one
   */
  public record Score(long positives, long negatives, double rocAuc, double averagePrecision) {}

  /** The areas over all examples. */
  public Score score() {
    double[] values = scores.toArray();
    double[] ranks = Numbers.ranks(values);
    double sum = 0;
    long yes = 0;
    for (int i = 0; i < values.length; i++) {
      if (positives.get(i) > 0) {
        sum += ranks[i];
        yes++;
      }
    }
    long no = values.length - yes;
    double above = sum - yes * (yes + 1.0) / 2;
    return new Score(yes, no, above / ((double) yes * no), averagePrecision(values, yes));
  }

  private double averagePrecision(double[] values, long all) {
    int[] order = Numbers.order(values);
    double area = 0;
    long found = 0;
    int to = order.length;
    while (to > 0) {
      int from = to;
      long here = 0;
      do {
        here += (long) positives.get(order[--from]);
      } while (from > 0 && values[order[from - 1]] == values[order[to - 1]]);
      found += here;
      area += (double) here / all * found / (order.length - from);
      to = from;
    }
    return all == 0 ? Double.NaN : area;
  }
}
