package io.heddle.methods.merge;

import java.util.List;
import java.util.Map;

/**
 * What one seed of a reproduction found.
 *
 * @param seed the seed
 * @param sources names of the sources
 * @param rows models and their losses
 * @param weights the weights chosen, by source
 * @param searches by strategy: the best it found and what it cost
 * @param without by source left out: test losses of the others and its own, in the order of sources
 * @param only by source: test losses of the base with this source's difference alone
 * @param cosines between the sources' differences; symmetric
 * @param again cosine between the first source's differences of two fine-tunings
 * @param addition what adding a source did
 */
public record Findings(
    long seed,
    List<String> sources,
    List<Row> rows,
    List<Double> weights,
    Map<String, Search> searches,
    List<List<Double>> without,
    List<List<Double>> only,
    List<List<Double>> cosines,
    double again,
    Addition addition) {
  /** Names of rows that claims are about. */
  public static final String BASE = "base";

  /** The row of the merged model. */
  public static final String DEM = "DEM";

  /** The row of the uniform average. */
  public static final String UNIFORM = "uniform average";

  /** The row of task arithmetic without a search. */
  public static final String PLAIN = "task arithmetic, w = 1";

  /** What rows of single sources begin with. */
  public static final String SINGLE = "fine-tuned on ";

  /** The row of data mixing for as many steps as one source. */
  public static final String MIX_SHORT = "data mixing, uniform, steps of one source";

  /** The row of data mixing for as many steps as all sources. */
  public static final String MIX_EQUAL = "data mixing, uniform, steps of all";

  /** The row of data mixing for the whole budget. */
  public static final String MIX_BUDGET = "data mixing, uniform, total budget with search";

  /** The row of tuned data mixing for the whole budget. */
  public static final String MIX_GRID = "data mixing, best of the grid, total budget with search";

  /** The row of TIES. */
  public static final String TIES = "TIES, density 0.2, best lambda";

  /**
   * A model.
   *
   * @param model what it is
   * @param losses on the test part of each source, in nats per token above the floor
   * @param trained tokens that were trained on to get it, the base's own left out
   * @param scored tokens that were scored to choose it
   * @param seconds of both
   */
  public record Row(String model, List<Double> losses, long trained, long scored, double seconds) {
    /** Mean over the sources. */
    public double mean() {
      return losses.stream().mapToDouble(Double::doubleValue).average().orElse(Double.NaN);
    }
  }

  /**
   * A search of the weights.
   *
   * @param weights the best
   * @param validation mean validation loss there
   * @param evaluations candidates that were scored
   * @param seconds of scoring them
   */
  public record Search(List<Double> weights, double validation, int evaluations, double seconds) {}

  /**
   * What adding a source to the finished model did.
   *
   * @param source its name
   * @param weights all weights after a short search, the new source's last
   * @param before test losses of the sources and of the new one before
   * @param after the same after
   * @param trained tokens that were trained on for it
   * @param scored tokens that were scored for it
   */
  public record Addition(
      String source,
      List<Double> weights,
      List<Double> before,
      List<Double> after,
      long trained,
      long scored) {}

  /** The row of this name. */
  public Row row(String model) {
    return rows.stream()
        .filter(row -> row.model.equals(model))
        .findFirst()
        .orElseThrow(() -> new IllegalArgumentException("there is no row '" + model + "'"));
  }
}
