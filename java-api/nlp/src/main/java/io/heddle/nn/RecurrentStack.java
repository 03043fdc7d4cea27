package io.heddle.nn;

import io.heddle.autograd.Tape;
import io.heddle.backend.RecurrentLibrary;
import io.heddle.op.Layers;
import io.heddle.op.ProjectedLstm;
import io.heddle.op.Ragged;
import io.heddle.op.Recurrent;
import io.heddle.op.Sequences;
import io.heddle.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * LSTM or GRU layers over time-major sequences [T*N, F], with the regularisation of AWD-LSTM
 * (Merity et al. 2018) where it is asked for. Parameters of layer i are {@code prefix +
 * "layers.i.input.weight"} [G F, I] and {@code .bias}, {@code "layers.i.hidden.weight"} [G F, F]
 * and, of a GRU, {@code .bias}; those of the other direction have {@code .back} before the last
 * word. G is 4 or 3, gates as torch orders them; an LSTM has one bias, torch's two summed. An LSTMP
 * of C cells has 4C gates and {@code "layers.i.projection.weight"} [F, C].
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
    GRU(3),
    /** An LSTM whose output is a projection of its cells (Sak et al. 2014). */
    LSTMP(4);

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
   * @param projected what is projected, of an LSTMP; else null
   */
  public record Config(
      Kind kind,
      int input,
      List<Integer> sizes,
      boolean bidirectional,
      float between,
      boolean locked,
      float connect,
      @Nullable Projected projected) {
    /** Of cells whose outputs are not projected. */
    public Config(
        Kind kind,
        int input,
        List<Integer> sizes,
        boolean bidirectional,
        float between,
        boolean locked,
        float connect) {
      this(kind, input, sizes, bidirectional, between, locked, connect, null);
    }

    /** Checks the sizes. */
    public Config {
      sizes = List.copyOf(sizes);
      if ((kind == Kind.LSTMP) != (projected != null)) {
        throw new IllegalArgumentException(
            kind == Kind.LSTMP
                ? "an LSTMP needs to know how many cells it projects"
                : kind + " layers project nothing");
      }
      if (input < 1 || sizes.isEmpty() || sizes.stream().anyMatch(n -> n < 1)) {
        throw new IllegalArgumentException(
            "recurrent layers of " + sizes + " outputs over " + input + " features");
      }
    }

    /** Cells of a layer, of one direction. */
    public int cells(int layer) {
      return projected == null ? sizes.get(layer) : projected.cells;
    }

    private int inputOf(int layer) {
      return layer == 0 ? input : sizes.get(layer - 1) * (bidirectional ? 2 : 1);
    }
  }

  /**
   * Cells behind a projection.
   *
   * @param cells of each layer
   * @param clips bounds, as GluonNLP has them
   */
  public record Projected(int cells, ProjectedLstm.Clips clips) {}

  /**
   * Outputs and the states after the last step, of each row its own.
   *
   * @param y of the last layer, [T*N, F], or 2F of both directions; not dropped; 0 beyond a row's
   *     end
   * @param states of each layer, forward before backward: h and c, [N, F] each (of an LSTMP c is
   *     [N, cells]); they last until the backward pass
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
        int cells = c.cells(i);
        double deviation = 1 / Math.sqrt(3.0 * cells);
        long gates = (long) c.kind.gates * cells;
        String layer = prefix + "layers." + i + way;
        Modules.linear(p, layer + ".input", deviation, seed, true, gates, c.inputOf(i));
        Modules.linear(p, layer + ".hidden", deviation, seed, c.kind == Kind.GRU, gates, size);
        if (c.kind == Kind.LSTMP) {
          Modules.linear(p, layer + ".projection", deviation, seed, false, size, cells);
        }
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
    return run(t, x, rows, before, null);
  }

  /**
   * The same of rows that end at different steps: states stop at a row's end, outputs beyond it are
   * 0, and the other direction begins at each row's own last step.
   *
   * @param lengths steps of each row, 1 to T; null: all have all
   */
  public Result run(
      Tape t,
      Tensor x,
      long rows,
      @Nullable List<Recurrent.Result> before,
      int @Nullable [] lengths) {
    Ragged ragged = lengths == null ? null : ragged(t, lengths, x, rows);
    List<Recurrent.Result> states = new ArrayList<>();
    Tensor at = x;
    for (int i = 0; i < config.sizes.size(); i++) {
      at = i == 0 ? at : dropped(t, at, rows);
      List<Tensor> ways = new ArrayList<>();
      for (String way : config.bidirectional ? List.of("", ".back") : List.of("")) {
        Recurrent.Result first = before == null ? null : before.get(states.size());
        String name = prefix + "layers." + i + way;
        Recurrent.Result out =
            ragged == null
                ? layer(t, name, at, rows, first, way.equals(".back"), null)
                : ending(t, name, at, rows, first, way.equals(".back"), ragged);
        ways.add(out.y());
        states.add(out);
      }
      at = ways.size() == 1 ? ways.getFirst() : Sequences.joined(t, ways);
    }
    return new Result(at, states);
  }

  private static Ragged ragged(Tape t, int[] lengths, Tensor x, long rows) {
    if (lengths.length != rows) {
      throw new IllegalArgumentException(
          lengths.length + " lengths for " + rows + " rows of a recurrent layer");
    }
    return new Ragged(t, lengths, x.dim(0) / rows);
  }

  // Rows that end at different steps are turned where they lie, so that all directions begin
  // together.
  private Recurrent.Result ending(
      Tape t,
      String name,
      Tensor x,
      long rows,
      Recurrent.@Nullable Result first,
      boolean reverse,
      Ragged ragged) {
    Tensor in = reverse ? ragged.turned(x) : x;
    Recurrent.Result out = layer(t, name, in, rows, first, false, ragged);
    Tensor y = reverse ? ragged.turned(out.y()) : out.y();
    return new Recurrent.Result(y, out.h(), out.c());
  }

  private Recurrent.Result layer(
      Tape t,
      String name,
      Tensor x,
      long rows,
      Recurrent.@Nullable Result first,
      boolean reverse,
      @Nullable Ragged ragged) {
    Tensor weight = Layers.dropout(t, parameters.get(name + ".hidden.weight"), config.connect);
    boolean gru = config.kind == Kind.GRU;
    Tensor h = first == null ? null : first.h();
    Tensor c = first == null || gru ? null : first.c();
    Tensor bias = gru ? parameters.get(name + ".hidden.bias") : null;
    RecurrentLibrary library = t.backend().recurrent();
    if (library != null && config.kind != Kind.LSTMP && plain(name + ".input")) {
      Tensor input = parameters.get(name + ".input.weight");
      Tensor inputBias = parameters.get(name + ".input.bias");
      var weights = new RecurrentLibrary.Weights(input, inputBias, weight, bias);
      return Recurrent.whole(t, library, gru ? 1 : 0, x, weights, h, c, rows, reverse, ragged);
    }
    Tensor gates = Modules.linear(t, parameters, name + ".input", x);
    if (ragged != null && !gru) {
      gates = ragged.holding(gates);
    }
    Recurrent.Result out =
        switch (config.kind) {
          case LSTM -> Recurrent.lstm(t, gates, weight, h, c, rows, reverse);
          case GRU ->
              Recurrent.gru(t, gates, weight, Objects.requireNonNull(bias), h, rows, reverse);
          case LSTMP -> {
            Tensor projection = parameters.get(name + ".projection.weight");
            ProjectedLstm.Clips clips = Objects.requireNonNull(config.projected).clips;
            yield ProjectedLstm.run(t, gates, weight, projection, h, c, rows, reverse, clips);
          }
        };
    if (ragged == null) {
      return out;
    }
    // A GRU has no cell: its h stands for both.
    Tensor last = ragged.last(out.y());
    return new Recurrent.Result(ragged.cut(out.y()), last, gru ? last : out.c());
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
