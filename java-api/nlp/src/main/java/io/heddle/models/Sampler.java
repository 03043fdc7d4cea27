package io.heddle.models;

import io.heddle.autograd.Tape;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.function.IntPredicate;

/** Continues a sequence token by token with a key/value cache. */
public final class Sampler {
  private final Options options;
  private final SplittableRandom random;

  /**
   * How to choose the next token.
   *
   * @param temperature divides the logits; 0 takes the most likely token
   * @param topK only the k most likely tokens; 0 for all
   * @param topP only the most likely tokens that together have this probability (nucleus); 1 for
   *     all
   * @param seed of the choice
   */
  public record Options(double temperature, int topK, double topP, long seed) {
    /** The most likely token always. */
    public static final Options GREEDY = new Options(0, 0, 1, 0);

    /** Checks the values. */
    public Options {
      if (temperature < 0 || topK < 0 || !(topP > 0 && topP <= 1)) {
        throw new IllegalArgumentException(
            "temperature "
                + temperature
                + " and top-k "
                + topK
                + " must not be negative, top-p "
                + topP
                + " in (0, 1]");
      }
    }
  }

  /** A sampler. */
  public Sampler(Options options) {
    this.options = options;
    this.random = new SplittableRandom(options.seed());
  }

  /**
   * Continues {@code prompt} by at most {@code count} tokens.
   *
   * @param prompt at least one token
   * @param accept hears each new token; false ends the text
   * @return prompt and continuation
   */
  public int[] generate(Decoder model, int[] prompt, int count, IntPredicate accept) {
    if (prompt.length == 0) {
      throw new IllegalArgumentException("the prompt is empty: give at least one token");
    }
    int capacity = prompt.length + count;
    if (capacity > model.config().context()) {
      throw new IllegalArgumentException(
          prompt.length
              + " prompt tokens and "
              + count
              + " new ones do not fit the model's context of "
              + model.config().context());
    }
    int[] ids = Arrays.copyOf(prompt, capacity);
    int length = prompt.length;
    try (Decoder.Cache cache = model.new Cache(1, capacity)) {
      int[] input = prompt;
      while (length < capacity) {
        int next = choose(lastLogits(model, cache, input));
        ids[length++] = next;
        if (!accept.test(next)) {
          break;
        }
        input = new int[] {next};
      }
    }
    return Arrays.copyOf(ids, length);
  }

  private static float[] lastLogits(Decoder model, Decoder.Cache cache, int[] input) {
    try (Tape t = Tape.inference(model.backend())) {
      Tensor hidden = cache.extend(t, t.tensor(DType.I32, input.length).copyFrom(input));
      return model.logits(t, hidden.slice(0, input.length - 1L, input.length)).toFloats();
    }
  }

  /** The next token's id. */
  int choose(float[] logits) {
    if (options.temperature == 0) {
      int best = 0;
      for (int i = 1; i < logits.length; i++) {
        best = logits[i] > logits[best] ? i : best;
      }
      return best;
    }
    Integer[] order = new Integer[logits.length];
    Arrays.setAll(order, i -> i);
    Arrays.sort(order, (a, b) -> Float.compare(logits[b], logits[a]));
    int kept = options.topK > 0 ? Math.min(options.topK, order.length) : order.length;
    double[] weight = new double[kept];
    double total = 0;
    for (int i = 0; i < kept; i++) {
      weight[i] = Math.exp((logits[order[i]] - logits[order[0]]) / options.temperature);
      total += weight[i];
    }
    double nucleus = 0;
    int last = 0;
    while (last < kept && (last == 0 || nucleus < options.topP * total)) {
      nucleus += weight[last++];
    }
    double at = random.nextDouble() * nucleus;
    for (int i = 0; i < last; i++) {
      at -= weight[i];
      if (at < 0) {
        return order[i];
      }
    }
    return order[last - 1];
  }
}
