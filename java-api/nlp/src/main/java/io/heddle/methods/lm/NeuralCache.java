package io.heddle.methods.lm;

/**
 * A cache of what was just read (Grave et al. 2017, "Improving neural language models with a
 * continuous cache"), for scoring only: words that have come lately are likelier to come again,
 * most of all after states like the present one,
 *
 * <pre>
 * p = (1 - lambda) p_model + lambda p_cache,  p_cache(w) = sum_i softmax_i(theta h_t . h_i) [x_(i+1) = w]
 * </pre>
 *
 * over the {@code window} steps i before t. Not safe for use by many threads.
 */
public final class NeuralCache {
  private final Options options;
  private final float[][] states;
  private final int[] words;
  private long seen;

  /**
   * What to remember and how far to trust it.
   *
   * @param window steps remembered
   * @param theta sharpness of the cache's distribution
   * @param lambda its share
   * @param fullOnly uses the cache only once the window is full, as GluonNLP's cell does; the paper
   *     uses what there is
   */
  public record Options(int window, double theta, double lambda, boolean fullOnly) {
    /** GluonNLP's values for AWD-LSTM on WikiText-2: 2000, 0.662, 0.1279. */
    public static final Options DEFAULT = new Options(2000, 0.662, 0.1279, false);

    /** Checks the values. */
    public Options {
      if (window < 1 || !(lambda >= 0 && lambda < 1) || !Double.isFinite(theta)) {
        throw new IllegalArgumentException(
            "a cache of " + window + " steps with theta " + theta + ", lambda " + lambda);
      }
    }
  }

  /** An empty cache. */
  public NeuralCache(Options options) {
    this.options = options;
    this.states = new float[options.window][0];
    this.words = new int[options.window];
  }

  /** Forgets everything. */
  public void clear() {
    seen = 0;
  }

  /**
   * The probability of the next word, after which the step is remembered.
   *
   * @param hidden holds the model's last hidden state at {@code from}, of {@code size} numbers
   * @param word the word that followed
   * @param loss the model's own {@code -log p(word)}, in nats
   * @return the loss of both together, in nats
   */
  public double loss(float[] hidden, int from, int size, int word, double loss) {
    int held = (int) Math.min(seen, options.window);
    double out = loss;
    if (held > 0 && (!options.fullOnly || held == options.window)) {
      double p = (1 - options.lambda) * Math.exp(-loss);
      out = -Math.log(p + options.lambda * share(hidden, from, size, word, held));
    }
    int at = (int) (seen % options.window);
    if (states[at].length != size) {
      states[at] = new float[size];
    }
    System.arraycopy(hidden, from, states[at], 0, size);
    words[at] = word;
    seen++;
    return out;
  }

  private double share(float[] hidden, int from, int size, int word, int held) {
    double[] scores = new double[held];
    double most = Double.NEGATIVE_INFINITY;
    for (int i = 0; i < held; i++) {
      scores[i] = options.theta * dot(states[i], hidden, from, size);
      most = Math.max(most, scores[i]);
    }
    double all = 0;
    double ours = 0;
    for (int i = 0; i < held; i++) {
      double weight = Math.exp(scores[i] - most);
      all += weight;
      ours += words[i] == word ? weight : 0;
    }
    return ours / all;
  }

  // Four sums, so that the processor need not wait for one.
  private static double dot(float[] a, float[] b, int from, int size) {
    float s0 = 0;
    float s1 = 0;
    float s2 = 0;
    float s3 = 0;
    int i = 0;
    for (; i + 4 <= size; i += 4) {
      s0 += a[i] * b[from + i];
      s1 += a[i + 1] * b[from + i + 1];
      s2 += a[i + 2] * b[from + i + 2];
      s3 += a[i + 3] * b[from + i + 3];
    }
    for (; i < size; i++) {
      s0 += a[i] * b[from + i];
    }
    return (double) s0 + s1 + s2 + s3;
  }
}
