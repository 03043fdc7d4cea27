package io.heddle.methods.longrange;

import java.util.List;

/**
 * What the comparison on text found with one seed.
 *
 * @param name of the seed
 * @param rows the models
 */
public record TextFindings(String name, List<Row> rows) {
  /** Full attention everywhere. */
  public static final String FULL = "full";

  /** Full attention in a quarter of the layers. */
  public static final String MIXED = "mixed";

  /** No full attention. */
  public static final String SPARSE = "sparse";

  /**
   * A model.
   *
   * @param pattern its name
   * @param letters one for each layer
   * @param pairs scored pairs as a share of full attention's
   * @param predicted FLOPs of the whole model as a share of the fully attending one's
   * @param step median seconds of a training step
   * @param all losses of all scored tokens
   * @param near losses of tokens whose evidence a sparse layer sees
   * @param far losses of tokens whose evidence it does not see
   * @param outside losses of those whose evidence all sparse layers together do not reach
   * @param novel losses of those of {@code far} whose pair is not in the training text
   * @param quoted losses of tokens within quotations, of the same windows with these put in
   */
  public record Row(
      String pattern,
      String letters,
      double pairs,
      double predicted,
      double step,
      Losses all,
      Losses near,
      Losses far,
      Losses outside,
      Losses novel,
      Losses quoted) {}

  /**
   * Losses of some tokens, window by window, so that two models can be held against each other.
   *
   * @param sums of the losses in nats
   * @param counts of the tokens
   */
  public record Losses(List<Double> sums, List<Double> counts) {
    /** Number of tokens. */
    public double count() {
      return counts.stream().mapToDouble(Double::doubleValue).sum();
    }

    /** Mean loss in nats; NaN when there is no token. */
    public double mean() {
      return sums.stream().mapToDouble(Double::doubleValue).sum() / count();
    }

    /**
     * By how many nats a token costs more here than in {@code other}, and the standard error of
     * that, from the differences of the windows.
     */
    public double[] above(Losses other) {
      double difference = mean() - other.mean();
      double squares = 0;
      for (int i = 0; i < sums.size(); i++) {
        double own = sums.get(i) - other.sums.get(i) - counts.get(i) * difference;
        squares += own * own;
      }
      return new double[] {difference, Math.sqrt(squares) / count()};
    }
  }

  /** The row of this pattern. */
  public Row row(String pattern) {
    return rows.stream()
        .filter(row -> row.pattern.equals(pattern))
        .findFirst()
        .orElseThrow(() -> new IllegalArgumentException("there is no row '" + pattern + "'"));
  }
}
