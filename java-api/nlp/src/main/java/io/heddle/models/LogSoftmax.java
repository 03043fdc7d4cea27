package io.heddle.models;

/** The logarithm of a sum of exponentials. */
final class LogSoftmax {
  private LogSoftmax() {}

  /**
   * log sum exp of {@code scores[from..to)}, in double precision; subtracted from a score it gives
   * that score's log probability.
   *
   * @throws IllegalStateException when no score is a finite number
   */
  static double of(double[] scores, int from, int to) {
    double max = Double.NEGATIVE_INFINITY;
    for (int i = from; i < to; i++) {
      max = Math.max(max, scores[i]); // NaN stays
    }
    if (!Double.isFinite(max)) {
      throw new IllegalStateException(
          "no token may come next: the largest score is " + max + ", which is no finite number");
    }
    double sum = 0;
    for (int i = from; i < to; i++) {
      sum += Math.exp(scores[i] - max);
    }
    return max + Math.log(sum);
  }
}
