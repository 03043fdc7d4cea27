package io.heddle.methods.vectors;

/**
 * Draws numbers with given weights in constant time: the alias method (Walker 1977; the tables as
 * Vose 1991 makes them). Immutable.
 */
final class AliasTable {
  private static final double WORD = 4294967296.0; // 2^32

  private final long[] keep; // of 2^32 throws, those that stay
  private final int[] alias;

  /** Weights must not be negative, and one must be positive. */
  AliasTable(double[] weights) {
    int n = weights.length;
    double sum = 0;
    for (double weight : weights) {
      if (!(weight >= 0)) {
        throw new IllegalArgumentException("a weight is " + weight);
      }
      sum += weight;
    }
    if (!(sum > 0) || Double.isInfinite(sum)) {
      throw new IllegalArgumentException("the weights sum to " + sum);
    }
    keep = new long[n];
    alias = new int[n];
    double[] share = new double[n];
    int[] poor = new int[n];
    int[] rich = new int[n];
    int poorCount = 0;
    int richCount = 0;
    for (int i = 0; i < n; i++) {
      share[i] = weights[i] * n / sum;
      if (share[i] < 1) {
        poor[poorCount++] = i;
      } else {
        rich[richCount++] = i;
      }
    }
    while (poorCount > 0 && richCount > 0) {
      int low = poor[--poorCount];
      int high = rich[richCount - 1];
      keep[low] = (long) (share[low] * WORD);
      alias[low] = high;
      share[high] -= 1 - share[low];
      if (share[high] < 1) {
        richCount--;
        poor[poorCount++] = high;
      }
    }
    // What is left has share 1 but for rounding.
    for (int i = 0; i < poorCount; i++) {
      fill(poor[i]);
    }
    for (int i = 0; i < richCount; i++) {
      fill(rich[i]);
    }
  }

  private void fill(int i) {
    keep[i] = (long) WORD;
    alias[i] = i;
  }

  /** The number that 64 random bits draw. */
  int draw(long random) {
    int i = (int) (((random >>> 32) * keep.length) >>> 32);
    return (random & 0xffff_ffffL) < keep[i] ? i : alias[i];
  }
}
