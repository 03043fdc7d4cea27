package io.heddle.methods.merge;

import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.function.ToDoubleFunction;

/**
 * Chooses merge weights: first one weight shared by all sources, from a list; then coordinate steps
 * around it, halved once. Deterministic; no candidate is evaluated twice.
 */
public final class CoefficientSearch {
  private final ToDoubleFunction<double[]> objective;
  private final Map<String, Double> known = new HashMap<>();
  private double[] best = new double[0];
  private double bestValue = Double.POSITIVE_INFINITY;

  /** A search for the smallest {@code objective}. */
  public CoefficientSearch(ToDoubleFunction<double[]> objective) {
    this.objective = objective;
  }

  /**
   * Searches.
   *
   * @param sources number of weights
   * @param shared candidates for the shared weight
   * @param step first coordinate step
   * @return the best weights
   */
  public double[] run(int sources, double[] shared, double step) {
    for (double weight : shared) {
      double[] candidate = new double[sources];
      Arrays.fill(candidate, weight);
      offer(candidate);
    }
    for (double width : new double[] {step, step / 2}) {
      for (int i = 0; i < sources; i++) {
        for (int sign = -1; sign <= 1; sign += 2) {
          double[] candidate = best.clone();
          candidate[i] += sign * width;
          offer(candidate);
        }
      }
    }
    return best.clone();
  }

  private void offer(double[] candidate) {
    for (int i = 0; i < candidate.length; i++) {
      candidate[i] = Math.round(candidate[i] * 1e6) / 1e6;
    }
    double value =
        known.computeIfAbsent(Arrays.toString(candidate), k -> objective.applyAsDouble(candidate));
    if (value < bestValue) {
      bestValue = value;
      best = candidate.clone();
    }
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
