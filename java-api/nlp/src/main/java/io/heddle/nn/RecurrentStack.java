package io.heddle.nn;

import io.heddle.autograd.Tape;
import io.heddle.backend.RecurrentLibrary;
import io.heddle.op.Layers;
import io.heddle.op.Recurrent;
import io.heddle.op.Sequences;
import io.heddle.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * LSTM or GRU layers over time-major sequences [T*N, F], with the regularisation of AWD-LSTM
 * (Merity et al. 2018) where it is asked for. Parameters of layer i are {@code prefix +
 * "layers.i.input.weight"} [G F, I] and {@code .bias}, {@code "layers.i.hidden.weight"} [G F, F]
 * and, of a GRU, {@code .bias}; those of the other direction have {@code .back} before the last
 * word. G is 4 or 3, gates as torch orders them; an LSTM has one bias, torch's two summed.
 */
public final class RecurrentStack {
  private final Config config;
  private final Parameters parameters;
  private final String prefix;

  /** Kinds of cells. */
  public enum Kind {
    /** Hochreiter &amp; Schmidhuber 1997. */
    LSTM(4),
    /** Cho et al. 2014. */
    GRU(3);

    private final int gates;

    Kind(int gates) {
      this.gates = gates;
    }
  }

  /**
   * The shape.
   *
   * @param kind of cells
   * @param input features of the first layer's input
   * @param sizes outputs of each layer, of one direction
   * @param bidirectional whether a second half of each layer reads from the end; its outputs stand
   *     beside the others'
   * @param between dropout between layers
   * @param locked whether its masks are the same at all steps (Gal &amp; Ghahramani 2016)
   * @param connect dropout of recurrent weights (DropConnect), one mask for all steps
   */
  public record Config(
      Kind kind,
      int input,
      List<Integer> sizes,
      boolean bidirectional,
      float between,
      boolean locked,
      float connect) {
    /** Checks the sizes. */
    public Config {
      sizes = List.copyOf(sizes);
      if (input < 1 || sizes.isEmpty() || sizes.stream().anyMatch(n -> n < 1)) {
        throw new IllegalArgumentException(
            "recurrent layers of " + sizes + " outputs over " + input + " features");
      }
    }

    private int inputOf(int layer) {
      return layer == 0 ? input : sizes.get(layer - 1) * (bidirectional ? 2 : 1);
    }
  }

  /**
   * Outputs and the states after the last step.
   *
   * @param y of the last layer, [T*N, F], or 2F of both directions; not dropped
   * @param states of each layer, forward before backward: h and c, [N, F] each; they last until the
   *     backward pass, and no gradient goes through them
   */
  public record Result(Tensor y, List<Recurrent.Result> states) {}

  /** Layers over given parameters. */
  public RecurrentStack(Config config, Parameters parameters, String prefix) {
    this.config = config;
    this.parameters = parameters;
    this.prefix = prefix;
  }

  /**
   * Makes the parameters: normal with the deviation of torch's, {@code 1 / sqrt(3 F)}, and biases
   * of 0.
   */
  public static void create(Config c, Parameters p, String prefix, long seed) {
    for (int i = 0; i < c.sizes.size(); i++) {
      for (String way : c.bidirectional ? List.of("", ".back") : List.of("")) {
        int size = c.sizes.get(i);
        double deviation = 1 / Math.sqrt(3.0 * size);
        long gates = (long) c.kind.gates * size;
        String layer = prefix + "layers." + i + way;
        Modules.linear(p, layer + ".input", deviation, seed, true, gates, c.inputOf(i));
        Modules.linear(p, layer + ".hidden", deviation, seed, c.kind == Kind.GRU, gates, size);
      }
    }
  }

  /** The shape. */
  public Config config() {
    return config;
  }

  /**
   * Runs all layers.
   *
   * @param x [T*N, I], step after step
   * @param rows N
   * @param before what {@link Result#states} held after the steps before; null for zeros
   */
  public Result run(Tape t, Tensor x, long rows, @Nullable List<Recurrent.Result> before) {
    List<Recurrent.Result> states = new ArrayList<>();
    Tensor at = x;
    for (int i = 0; i < config.sizes.size(); i++) {
      at = i == 0 ? at : dropped(t, at, rows);
      List<Tensor> ways = new ArrayList<>();
      for (String way : config.bidirectional ? List.of("", ".back") : List.of("")) {
        Recurrent.Result first = before == null ? null : before.get(states.size());
        Recurrent.Result out = layer(t, prefix + "layers." + i + way, at, rows, first);
        ways.add(out.y());
        states.add(out);
      }
      at = ways.size() == 1 ? ways.getFirst() : Sequences.joined(t, ways);
    }
    return new Result(at, states);
  }

  private Recurrent.Result layer(
      Tape t, String name, Tensor x, long rows, Recurrent.@Nullable Result first) {
    Tensor weight = Layers.dropout(t, parameters.get(name + ".hidden.weight"), config.connect);
    boolean lstm = config.kind == Kind.LSTM;
    boolean reverse = name.endsWith(".back");
    Tensor h = first == null ? null : first.h();
    Tensor c = first == null || !lstm ? null : first.c();
    Tensor bias = lstm ? null : parameters.get(name + ".hidden.bias");
    RecurrentLibrary library = t.backend().recurrent();
    if (library != null && plain(name + ".input")) {
      Tensor input = parameters.get(name + ".input.weight");
      Tensor inputBias = parameters.get(name + ".input.bias");
      var weights = new RecurrentLibrary.Weights(input, inputBias, weight, bias);
      return Recurrent.whole(t, library, lstm ? 0 : 1, x, weights, h, c, rows, reverse);
    }
    Tensor gates = Modules.linear(t, parameters, name + ".input", x);
    return bias == null
        ? Recurrent.lstm(t, gates, weight, h, c, rows, reverse)
        : Recurrent.gru(t, gates, weight, bias, h, rows, reverse);
  }

  // A library multiplies by the weight itself: there can be neither eight bits nor adapters.
  private boolean plain(String linear) {
    return parameters.scale(linear + ".weight") == null
        && !parameters.byName().containsKey(linear + Lora.DOWN);
  }

  private Tensor dropped(Tape t, Tensor x, long rows) {
    return config.locked
        ? Sequences.lockedDropout(t, x, rows, config.between)
        : Layers.dropout(t, x, config.between);
  }
}
