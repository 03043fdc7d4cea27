package io.heddle.op;

import io.heddle.autograd.Tape;
import io.heddle.backend.RecurrentLibrary;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Recurrent layers over whole sequences, differentiable. Sequences are time-major: T steps of N
 * rows, [T*N, F]. The product with the inputs is made outside, for all steps at once, and so is the
 * gradient of the recurrent weights; what is left for each step is one op over all of them.
 *
 * <p>Gates as torch.nn.LSTM and torch.nn.GRU have them.
 */
public final class Recurrent {
  private static final Params.None NONE = new Params.None();

  private Recurrent() {}

  /**
   * What a layer gave.
   *
   * @param y outputs of all steps, [T*N, F]
   * @param h the last step's output, [N, F], which lasts until the backward pass
   * @param c the last step's cell, likewise; of a GRU {@code h} again
   */
  public record Result(Tensor y, Tensor h, Tensor c) {}

  /**
   * An LSTM layer.
   *
   * @param gates {@code x W_x^T + b} of all steps [T*N, 4F]
   * @param weight of the last output, W_h [4F, F]
   * @param h0 output before the first step [N, F]; null for 0
   * @param c0 cell before the first step, likewise
   * @param reverse from the last step to the first
   */
  public static Result lstm(
      Tape t,
      Tensor gates,
      Tensor weight,
      @Nullable Tensor h0,
      @Nullable Tensor c0,
      long rows,
      boolean reverse) {
    return new Layer(t, 0, reverse, gates, weight, null, h0, c0, rows).run();
  }

  /**
   * A GRU layer.
   *
   * @param gates {@code x W_x^T + b_x} of all steps [T*N, 3F]
   * @param weight of the last output, W_h [3F, F]
   * @param bias added to that product, b_h [3F]
   * @param h0 output before the first step [N, F]; null for 0
   * @param reverse from the last step to the first
   */
  public static Result gru(
      Tape t,
      Tensor gates,
      Tensor weight,
      Tensor bias,
      @Nullable Tensor h0,
      long rows,
      boolean reverse) {
    return new Layer(t, 1, reverse, gates, weight, bias, h0, null, rows).run();
  }

  /**
   * A layer as the backend's library forms it, the product with the inputs included.
   *
   * @param kind of cells, as {@link Params.Recurrent} numbers them
   * @param x [T*N, I]
   * @param h0 output before the first step [N, F]; null for 0
   * @param c0 cell before the first step, likewise; of a GRU null
   * @param reverse from the last step to the first
   * @param lengths where rows end; null: all at the last step. With it not in reverse: {@link
   *     Ragged#turned} does that
   */
  public static Result whole(
      Tape t,
      RecurrentLibrary library,
      int kind,
      Tensor x,
      RecurrentLibrary.Weights weights,
      @Nullable Tensor h0,
      @Nullable Tensor c0,
      long rows,
      boolean reverse,
      @Nullable Ragged lengths) {
    Params.Recurrent params = new Params.Recurrent(kind, reverse ? 1 : 0);
    return new WholeRecurrent(t, library, params, x, weights, h0, c0, rows, lengths).run();
  }

  // One direction of a layer: its operands, and what the way back needs.
  private static final class Layer {
    private final Tape t;
    private final Params.Recurrent params;
    private final boolean lstm;
    private final Tensor gates;
    private final Tensor weight;
    private final @Nullable Tensor bias;
    private final @Nullable Tensor h0;
    private final @Nullable Tensor c0;
    private final long rows;
    private final long features;
    private final long steps;
    private final Tensor y;
    private final Tensor act;
    private final @Nullable Tensor c;

    Layer(
        Tape t,
        int kind,
        boolean reverse,
        Tensor gates,
        Tensor weight,
        @Nullable Tensor bias,
        @Nullable Tensor h0,
        @Nullable Tensor c0,
        long rows) {
      this.t = t;
      this.lstm = kind == 0;
      this.params = new Params.Recurrent(kind, reverse ? 1 : 0);
      this.gates = gates;
      this.weight = weight;
      this.bias = bias;
      this.h0 = h0;
      this.c0 = c0;
      this.rows = rows;
      this.features = weight.dim(1);
      this.steps = gates.dim(0) / rows;
      long wide = (lstm ? 4 : 3) * features;
      if (weight.dim(0) != wide || gates.dim(1) != wide || gates.dim(0) % rows != 0 || steps == 0) {
        throw new IllegalArgumentException(
            "%s layer of %d rows takes gates [T*%d, %sF] and a weight [%sF, F]; given are %s and %s"
                .formatted(
                    lstm ? "an LSTM" : "a GRU",
                    rows,
                    rows,
                    lstm ? 4 : 3,
                    lstm ? 4 : 3,
                    gates,
                    weight));
      }
      DType dtype = gates.dtype();
      this.y = t.tensor(dtype, steps * rows, features);
      this.act = t.tensor(dtype, steps * rows, 4 * features);
      this.c = lstm ? t.tensor(dtype, steps * rows, features) : null;
    }

    Result run() {
      t.run(
          OpCode.RECURRENT_FWD,
          params,
          apart(gates),
          weight,
          bias,
          h0,
          c0,
          apart(y),
          apart(act),
          c == null ? null : apart(c));
      Tensor h = last(y);
      Tensor cell = c == null ? h : last(c);
      if (t.wants(gates, weight, bias, h0, c0)) {
        List<Tensor> owned = new ArrayList<>(List.of(y, act, h));
        if (c != null) {
          owned.add(c);
          owned.add(cell);
        }
        t.record(() -> backward(h, cell), owned.toArray(new Tensor[0]));
      }
      return new Result(y, h, cell);
    }

    // Steps apart from rows.
    private Tensor apart(Tensor x) {
      return x.view(steps, rows, x.dim(1));
    }

    private Tensor step(Tensor x, long number) {
      return x.slice(0, number * rows, (number + 1) * rows);
    }

    private boolean reverse() {
      return params.reverse() != 0;
    }

    private Tensor last(Tensor states) {
      Tensor own = t.tensor(states.dtype(), rows, features);
      t.run(OpCode.COPY, NONE, step(states, reverse() ? 0 : steps - 1), own);
      return own;
    }

    private void backward(Tensor h, Tensor cell) {
      Tensor dy = t.gradient(y);
      Tensor dh = t.gradient(h);
      Tensor dc = c == null ? null : t.gradient(cell);
      if (dy == null && dh == null && dc == null) {
        return;
      }
      Tensor up = dy != null ? dy : Layers.fill(t, t.tensor(y.dtype(), y.shape()), 0);
      Tensor dgates = t.tensor(gates.dtype(), gates.shape());
      Tensor dhidden = lstm ? dgates : t.tensor(gates.dtype(), gates.shape());
      Tensor dh0 = gradientOf(h0);
      Tensor dc0 = gradientOf(c0);
      t.run(
          OpCode.RECURRENT_BWD,
          params,
          apart(up),
          dh,
          dc,
          weight,
          apart(act),
          apart(y),
          h0,
          c == null ? null : apart(c),
          c0,
          apart(dgates),
          lstm ? null : apart(dhidden),
          dh0,
          dc0);
      if (dy == null) {
        t.scope().free(up);
      }
      giveWeight(t, weight, dhidden, y, h0, rows, reverse());
      Tensor dbias = bias == null ? null : bias.grad();
      if (dbias != null) {
        Layers.sumRows(t, dhidden, dbias);
      }
      giveState(h0, dh0);
      giveState(c0, dc0);
      if (!lstm) {
        t.scope().free(dhidden);
      }
      if (gates.requiresGrad()) {
        t.give(gates, dgates);
      } else {
        t.scope().free(dgates);
      }
    }

    private @Nullable Tensor gradientOf(@Nullable Tensor state) {
      return state != null && state.requiresGrad() ? t.tensor(state.dtype(), state.shape()) : null;
    }

    private void giveState(@Nullable Tensor state, @Nullable Tensor gradient) {
      if (state != null && gradient != null) {
        t.give(state, gradient);
      }
    }
  }

  /**
   * Gives the weight of a layer's last output its gradient: one product over all steps but the
   * first in order, whose output before is h0.
   *
   * @param dhidden gradient of that product in each step [T*N, G F]
   * @param y outputs [T*N, F]
   */
  static void giveWeight(
      Tape t,
      Tensor weight,
      Tensor dhidden,
      Tensor y,
      @Nullable Tensor h0,
      long rows,
      boolean reverse) {
    Tensor held = weight.grad();
    if (!weight.requiresGrad() && held == null) {
      return;
    }
    Tensor to = held != null ? held : t.tensor(weight.dtype(), weight.shape());
    float beta = held != null ? t.kept(held) : 0;
    long all = y.dim(0);
    if (all > rows) {
      Tensor later = reverse ? dhidden.slice(0, 0, all - rows) : dhidden.slice(0, rows, all);
      Tensor before = reverse ? y.slice(0, rows, all) : y.slice(0, 0, all - rows);
      t.backend().matmul(later.transpose(0, 1), before, null, to, 1, beta);
      beta = 1;
    }
    if (h0 != null) {
      long from = reverse ? all - rows : 0;
      Tensor first = dhidden.slice(0, from, from + rows);
      t.backend().matmul(first.transpose(0, 1), h0, null, to, 1, beta);
      beta = 1;
    }
    if (beta == 0) {
      Layers.fill(t, to, 0);
    }
    if (held == null) {
      t.give(weight, to);
    }
  }
}
