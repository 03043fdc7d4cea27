package io.heddle.models;

import java.util.Arrays;

/**
 * The tokens that sampling chooses from: temperature, then top-k, nucleus, min-p and typical, each
 * on what the ones before it left, in transformers' order. Every filter keeps at least one token.
 */
final class TokenFilter {
  private final Sampler.Options options;
  private int[] ids = new int[0];
  private double[] weights = new double[0]; // exp(score / T), the largest 1
  private int kept;

  TokenFilter(Sampler.Options options) {
    this.options = options;
  }

  /**
   * Takes the scores of one text.
   *
   * @param scores by token; -inf for what may not come
   */
  void take(double[] scores) {
    double max = Arrays.stream(scores).max().orElse(Double.NEGATIVE_INFINITY);
    if (Double.isNaN(max) || max == Double.NEGATIVE_INFINITY) {
      throw new IllegalStateException("no token may come next: every score is -inf or NaN");
    }
    boolean all = options.topK() == 0 && options.topP() == 1 && options.minP() == 0;
    ids = all && options.typicalP() == 1 ? natural(scores.length) : sorted(scores);
    weights = new double[ids.length];
    kept = ids.length;
    for (int i = 0; i < ids.length; i++) {
      weights[i] = Math.exp((scores[ids[i]] - max) / options.temperature());
    }
    if (options.topK() > 0) {
      kept = Math.min(options.topK(), kept);
    }
    if (options.topP() < 1) {
      kept = prefix(options.topP());
    }
    if (options.minP() > 0) {
      int i = 1;
      while (i < kept && weights[i] >= options.minP() * weights[0]) {
        i++;
      }
      kept = i;
    }
    if (options.typicalP() < 1) {
      typical(options.typicalP());
    }
  }

  private static int[] natural(int n) {
    int[] out = new int[n];
    Arrays.setAll(out, i -> i);
    return out;
  }

  // The most likely first, of equal ones the first.
  private static int[] sorted(double[] scores) {
    long[] order = new long[scores.length];
    for (int i = 0; i < order.length; i++) {
      int bits = Float.floatToIntBits((float) scores[i]);
      int rising = bits < 0 ? ~bits ^ Integer.MIN_VALUE : bits; // in the order of the numbers
      order[i] = ((long) ~rising << 32) | i;
    }
    Arrays.sort(order);
    int[] out = new int[order.length];
    Arrays.setAll(out, i -> (int) order[i]);
    return out;
  }

  // The shortest prefix that has `mass` of the weight that is left.
  private int prefix(double mass) {
    double wanted = mass * total();
    double sum = 0;
    int i = 0;
    while (i < kept && (i == 0 || sum < wanted)) {
      sum += weights[i++];
    }
    return i;
  }

  private double total() {
    double total = 0;
    for (int i = 0; i < kept; i++) {
      total += weights[i];
    }
    return total;
  }

  // Meister et al. 2023: the tokens whose surprise is nearest to the entropy.
  private void typical(double mass) {
    double total = total();
    double entropy = 0;
    for (int i = 0; i < kept; i++) {
      double p = weights[i] / total;
      entropy -= p > 0 ? p * Math.log(p) : 0;
    }
    double mean = entropy;
    double[] distance = new double[kept];
    Arrays.setAll(distance, i -> Math.abs(-Math.log(weights[i] / total) - mean));
    Integer[] order = new Integer[kept];
    Arrays.setAll(order, i -> i);
    Arrays.sort(order, (a, b) -> Double.compare(distance[a], distance[b]));
    int[] oldIds = Arrays.copyOf(ids, kept);
    double[] oldWeights = Arrays.copyOf(weights, kept);
    for (int i = 0; i < kept; i++) {
      ids[i] = oldIds[order[i]];
      weights[i] = oldWeights[order[i]];
    }
    kept = prefix(mass);
  }

  /** The tokens that are left. */
  int[] kept() {
    return Arrays.copyOf(ids, kept);
  }

  /** The probabilities of {@link #kept}. */
  double[] probabilities() {
    double total = total();
    return Arrays.stream(weights, 0, kept).map(w -> w / total).toArray();
  }

  /** The token at {@code u} of [0, 1) of the weight. */
  int choose(double u) {
    double at = u * total();
    for (int i = 0; i < kept; i++) {
      at -= weights[i];
      if (at < 0) {
        return ids[i];
      }
    }
    return ids[kept - 1];
  }
}
