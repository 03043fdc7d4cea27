package io.heddle.methods.merge;

import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.function.ToDoubleFunction;

/**
 * Chooses merge weights by an objective that no training stands behind: a list of weights shared by
 * all sources, coordinate steps, a full grid, random weights that sum to 1, and evolution. Any of
 * them may follow another: each goes on from the best so far. Deterministic; no candidate is
 * evaluated twice, and none beyond the budget.
 */
public final class CoefficientSearch {
  private static final double PLACES = 1e6; // weights are rounded to millionths

  private final ToDoubleFunction<double[]> objective;
  private final int budget;
  private final Map<String, Double> known = new HashMap<>();
  private double[] best = new double[0];
  private double bestValue = Double.POSITIVE_INFINITY;

  /** A search for the smallest {@code objective}. */
  public CoefficientSearch(ToDoubleFunction<double[]> objective) {
    this(objective, Integer.MAX_VALUE);
  }

  /**
   * A search within bounds.
   *
   * @param budget most candidates that are evaluated, at least 1
   */
  public CoefficientSearch(ToDoubleFunction<double[]> objective, int budget) {
    if (budget < 1) {
      throw new IllegalArgumentException("a search needs a budget of 1 or more, not " + budget);
    }
    this.objective = objective;
    this.budget = budget;
  }

  /**
   * A shared weight first, then coordinate steps around the best, halved once.
   *
   * @param sources number of weights
   * @param shared candidates for the shared weight
   * @param step first coordinate step
   * @return the best weights
   */
  public double[] run(int sources, double[] shared, double step) {
    shared(sources, shared);
    return coordinates(step, step / 2);
  }

  /** One weight for all {@code sources}, each of {@code values}. */
  public double[] shared(int sources, double... values) {
    for (double weight : values) {
      double[] candidate = new double[sources];
      Arrays.fill(candidate, weight);
      offer(candidate);
    }
    return best();
  }

  /** Evaluates a candidate, e.g. to start from. */
  public double[] from(double... weights) {
    offer(weights.clone());
    return best();
  }

  /** A step up and a step down for each weight in turn, once for each of {@code steps}. */
  public double[] coordinates(double... steps) {
    for (double width : steps) {
      for (int i = 0; i < best.length; i++) {
        for (int sign = -1; sign <= 1; sign += 2) {
          double[] candidate = best.clone();
          candidate[i] += sign * width;
          offer(candidate);
        }
      }
    }
    return best();
  }

  /** Every combination of {@code values}. */
  public double[] grid(int sources, double... values) {
    int[] at = new int[sources];
    int moved;
    do {
      offer(Arrays.stream(at).mapToDouble(i -> values[i]).toArray());
      moved = sources - 1;
      while (moved >= 0 && ++at[moved] == values.length) {
        at[moved--] = 0;
      }
    } while (moved >= 0);
    return best();
  }

  /** Random weights that sum to 1, evenly over all such. */
  public double[] simplex(int sources, int candidates, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    for (int c = 0; c < candidates; c++) {
      offer(simplexPoint(sources, random));
    }
    return best();
  }

  /** Positive numbers that sum to 1, evenly over all such. */
  static double[] simplexPoint(int n, SplittableRandom random) {
    double[] point = new double[n];
    Arrays.setAll(point, i -> -Math.log(1 - random.nextDouble()));
    double sum = Arrays.stream(point).sum();
    return Arrays.stream(point).map(x -> x / sum).toArray();
  }

  /**
   * Evolution from the best so far, one child at a time, with steps whose length and shape adapt:
   * the (1+1)-CMA-ES with Cholesky updates of Igel, Suttorp &amp; Hansen (2006), its constants.
   *
   * @param deviation of the first steps
   * @param candidates number of children
   */
  public double[] evolve(double deviation, int candidates, long seed) {
    if (best.length == 0) {
      throw new IllegalStateException("evolution needs a candidate to start from");
    }
    int n = best.length;
    double[][] shape = new double[n][n];
    for (int i = 0; i < n; i++) {
      shape[i][i] = 1;
    }
    SplittableRandom random = new SplittableRandom(seed);
    double target = 2.0 / 11;
    double success = target;
    double sigma = deviation;
    for (int c = 0; c < candidates; c++) {
      double[] z = new double[n];
      Arrays.setAll(z, i -> random.nextGaussian());
      double[] step = times(shape, z);
      double[] child = best.clone();
      for (int i = 0; i < n; i++) {
        child[i] += sigma * step[i];
      }
      boolean better = offer(child);
      success = (1 - 1.0 / 12) * success + (better ? 1.0 / 12 : 0);
      sigma *= Math.exp((success - target) / (1 - target) / (1 + n / 2.0));
      if (better && success < 0.44) {
        stretch(shape, step, z);
      }
    }
    return best();
  }

  private static double[] times(double[][] matrix, double[] z) {
    return Arrays.stream(matrix)
        .mapToDouble(
            row -> {
              double sum = 0;
              for (int j = 0; j < z.length; j++) {
                sum += row[j] * z[j];
              }
              return sum;
            })
        .toArray();
  }

  private static void stretch(double[][] shape, double[] step, double[] z) {
    int n = z.length;
    double rate = 2.0 / (n * n + 6);
    double squares = Arrays.stream(z).map(x -> x * x).sum();
    double keep = Math.sqrt(1 - rate);
    double along = keep / squares * (Math.sqrt(1 + rate * squares / (1 - rate)) - 1);
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < n; j++) {
        shape[i][j] = keep * shape[i][j] + along * step[i] * z[j];
      }
    }
  }

  private boolean offer(double[] candidate) {
    for (int i = 0; i < candidate.length; i++) {
      candidate[i] = Math.round(candidate[i] * PLACES) / PLACES + 0.0; // no -0
    }
    String key = Arrays.toString(candidate);
    Double value = known.get(key);
    if (value == null) {
      if (known.size() >= budget) {
        return false;
      }
      value = objective.applyAsDouble(candidate);
      known.put(key, value);
    }
    if (!(value < bestValue)) {
      return false;
    }
    bestValue = value;
    best = candidate.clone();
    return true;
  }

  /** The best weights so far. */
  public double[] best() {
    return best.clone();
  }

  /** Number of different candidates evaluated. */
  public int evaluations() {
    return known.size();
  }

  /** The objective at the best weights. */
  public double value() {
    return bestValue;
  }
}
