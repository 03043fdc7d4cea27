package io.heddle.methods.vectors;

/**
 * How GloVe is trained.
 *
 * @param dimension numbers in a vector
 * @param xMax count from which on a pair has weight 1
 * @param alpha exponent of the weight below it
 * @param rate learning rate of AdaGrad
 * @param epochs passes over the pairs
 * @param seed of the start and of the order
 */
public record GloveConfig(
    int dimension, double xMax, double alpha, double rate, int epochs, long seed) {
  /** What GloVe's own program starts with, but 100 numbers. */
  public static final GloveConfig DEFAULT = new GloveConfig(100, 100, 0.75, 0.05, 25, 1);

  /** Checks the values. */
  public GloveConfig {
    if (dimension < 1 || epochs < 1) {
      throw new IllegalArgumentException(
          "dimension " + dimension + " and epochs " + epochs + " must be 1 or more");
    }
    if (!(xMax > 0) || !(alpha >= 0) || !(rate > 0)) {
      throw new IllegalArgumentException(
          "x-max %s and rate %s must be positive, alpha %s not negative"
              .formatted(xMax, rate, alpha));
    }
  }
}
