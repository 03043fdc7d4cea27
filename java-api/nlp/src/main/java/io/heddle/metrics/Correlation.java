package io.heddle.metrics;

import java.util.Arrays;

/**
 * Pearson's and Spearman's correlation of pairs, which are kept. Accumulates; not safe for use by
 * many threads.
 */
public final class Correlation {
  private final Numbers first = new Numbers();
  private final Numbers second = new Numbers();

  /** Nothing added yet. */
  public Correlation() {}

  /** Adds a pair. */
  public Correlation add(double a, double b) {
    first.add(a);
    second.add(b);
    return this;
  }

  /** Adds what another has. */
  public Correlation merge(Correlation other) {
    first.addAll(other.first);
    second.addAll(other.second);
    return this;
  }

  /**
   * Both correlations, from -1 to 1.
   *
   * @param pairs how many
   * @param pearson of the values; NaN when either side is constant
   * @param spearman Pearson's of the ranks, where equal values share the mean of their ranks
   */
  public record Score(int pairs, double pearson, double spearman) {}

  /** The correlations of all pairs. */
  public Score score() {
    double[] a = first.toArray();
    double[] b = second.toArray();
    return new Score(a.length, pearson(a, b), pearson(Numbers.ranks(a), Numbers.ranks(b)));
  }

  private static double pearson(double[] a, double[] b) {
    double meanA = Arrays.stream(a).average().orElse(Double.NaN);
    double meanB = Arrays.stream(b).average().orElse(Double.NaN);
    double both = 0;
    double squaresA = 0;
    double squaresB = 0;
    for (int i = 0; i < a.length; i++) {
      double da = a[i] - meanA;
      double db = b[i] - meanB;
      both += da * db;
      squaresA += da * da;
      squaresB += db * db;
    }
    double size = Math.sqrt(squaresA) * Math.sqrt(squaresB);
    return size == 0 ? Double.NaN : Math.clamp(both / size, -1, 1);
  }
}
