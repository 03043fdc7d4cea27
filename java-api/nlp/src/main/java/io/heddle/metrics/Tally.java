package io.heddle.metrics;

import java.util.List;

/**
 * Adds up the segments of a corpus for one metric. Not safe for use by many threads: give each
 * shard its own and merge.
 *
 * @param <S> the score
 */
public final class Tally<S extends MetricScore> {
  private static final int NONE = -1;
  private static final int DIFFERENT = -2;

  private final TextMetric<S> metric;
  private final double[] sums;
  private long segments;
  private int references = NONE;

  /** Nothing added yet. */
  public Tally(TextMetric<S> metric) {
    this.metric = metric;
    this.sums = new double[metric.width()];
  }

  /** Adds a segment and returns its row, which a bootstrap may draw again. */
  public double[] add(String hypothesis, List<String> references) {
    double[] row = metric.count(hypothesis, references);
    add(row, 1, references.size());
    return row;
  }

  /**
   * Adds what another tally of the same metric has.
   *
   * @throws IllegalArgumentException if that is of another metric
   */
  public Tally<S> merge(Tally<S> other) {
    if (!metric.equals(other.metric)) {
      throw new IllegalArgumentException(
          "a tally of " + other.metric + " cannot be added to one of " + metric);
    }
    if (other.segments > 0) {
      add(other.sums, other.segments, other.references);
    }
    return this;
  }

  private void add(double[] row, long count, int with) {
    for (int i = 0; i < sums.length; i++) {
      sums[i] += row[i];
    }
    segments += count;
    references = references == NONE || references == with ? with : DIFFERENT;
  }

  /** Segments added. */
  public long segments() {
    return segments;
  }

  /** The score of all segments together. */
  public S score() {
    return metric.score(sums.clone());
  }

  /** The metric's settings, with the number of references seen. */
  public String signature() {
    return metric.signature(references < 0 ? "var" : Integer.toString(references));
  }
}
