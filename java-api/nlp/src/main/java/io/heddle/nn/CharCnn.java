package io.heddle.nn;

import io.heddle.autograd.Tape;
import io.heddle.op.Layers;
import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.op.Sequences;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;

/**
 * Words read by their characters (Kim et al. 2016, "Character-aware neural language models"; in
 * GluonNLP the ConvolutionalEncoder over a table of characters): filters of several widths over a
 * word's characters, the largest answer of each, highway layers, a projection. Parameters are
 * {@code prefix + "characters.weight"} [A, E], {@code "width.w.weight"} [n, w E] and {@code .bias},
 * {@code "highway.i"} and {@code "out"}.
 */
public final class CharCnn {
  private static final int TANH = 5;
  private static final float SHUT = -1e4f; // of any float type; no filter answers below it

  private final Config config;
  private final Parameters parameters;
  private final String prefix;

  /**
   * Filters.
   *
   * @param width characters of a window
   * @param count how many
   */
  public record Filters(int width, int count) {}

  /**
   * The shape.
   *
   * @param alphabet number of characters, A
   * @param length characters of a word, padding among them, L
   * @param size features of a character, E
   * @param filters of each width, at most L wide
   * @param highways highway layers
   * @param output features of a word
   */
  public record Config(
      int alphabet, int length, int size, List<Filters> filters, int highways, int output) {
    /** Checks the widths. */
    public Config {
      filters = List.copyOf(filters);
      for (Filters each : filters) {
        if (each.width < 1 || each.width > length || each.count < 1) {
          throw new IllegalArgumentException(each + " over words of " + length + " characters");
        }
      }
      if (filters.isEmpty()) {
        throw new IllegalArgumentException("a character CNN without filters");
      }
    }

    private int features() {
      return filters.stream().mapToInt(Filters::count).sum();
    }
  }

  /** An encoder over given parameters. */
  public CharCnn(Config config, Parameters parameters, String prefix) {
    this.config = config;
    this.parameters = parameters;
    this.prefix = prefix;
  }

  /** Makes the parameters. */
  public static void create(Config c, Parameters p, String prefix, long seed) {
    p.normal(prefix + "characters.weight", 1 / Math.sqrt(c.size), seed, c.alphabet, c.size);
    for (Filters each : c.filters) {
      long inputs = (long) each.width * c.size;
      String name = prefix + "width." + each.width;
      Modules.linear(p, name, 1 / Math.sqrt((double) inputs), seed, true, each.count, inputs);
    }
    Highway.create(p, prefix + "highway.", c.highways, c.features(), seed);
    double deviation = 1 / Math.sqrt(c.features());
    Modules.linear(p, prefix + "out", deviation, seed, true, c.output, c.features());
  }

  /** The shape. */
  public Config config() {
    return config;
  }

  /**
   * Reads words.
   *
   * @param words characters [N * L], word after word
   * @return [N, output]
   */
  public Tensor words(Tape t, int[] words) {
    if (words.length == 0 || words.length % config.length != 0) {
      throw new IllegalArgumentException(
          words.length + " characters are not words of " + config.length);
    }
    int count = words.length / config.length;
    Tensor ids = t.tensor(DType.I32, words.length).copyFrom(words);
    Tensor x = Layers.embedding(t, parameters.get(prefix + "characters.weight"), ids);
    List<Tensor> parts = new ArrayList<>();
    for (Filters each : config.filters) {
      String name = prefix + "width." + each.width;
      Tensor y = Sequences.convolution(t, x, parameters.get(name + ".weight"), each.width);
      Tensor most = Sequences.maxOverTime(t, y, count, shut(t, count, each.width));
      parts.add(Layers.activation(t, TANH, most, parameters.get(name + ".bias")));
    }
    Tensor all = Sequences.joined(t, parts);
    Tensor passed = Highway.run(t, parameters, prefix + "highway.", config.highways, all);
    return Modules.linear(t, parameters, prefix + "out", passed);
  }

  // Windows that would reach into the next word.
  private Tensor shut(Tape t, int count, int width) {
    float[] one = new float[config.length];
    for (int i = config.length - width + 1; i < one.length; i++) {
      one[i] = SHUT;
    }
    Tensor row = t.tensor(parameters.dtype(), 1, one.length).copyFrom(one);
    Tensor all = t.tensor(parameters.dtype(), count, one.length);
    t.run(OpCode.COPY, new Params.None(), row.expand(all.shape()), all);
    return all;
  }
}
