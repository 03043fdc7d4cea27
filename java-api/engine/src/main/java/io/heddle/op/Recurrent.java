package io.heddle.op;

import io.heddle.autograd.Tape;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * Recurrent layers over whole sequences, differentiable. Sequences are time-major: T steps of N
 * rows, [T*N, F]. The product with the inputs is made outside, for all steps at once; what is left
 * for each step is the product with the last output and the gates. All steps are one node of the
 * tape: the gradient of the recurrent weights is one product over all steps.
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
   * @param h the last step's output, [N, F]: a view that lasts until the backward pass, and through
   *     which no gradient goes
   * @param c the last step's cell, likewise; of a GRU {@code h} again
   */
  public record Result(Tensor y, Tensor h, Tensor c) {}

  /**
   * An LSTM layer.
   *
   * @param gates {@code x W_x^T + b} of all steps [T*N, 4F]
   * @param weight of the last output, W_h [4F, F]
   * @param h0 output before the first step [N, F], constant; null for 0
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
    Steps s = new Steps(t, gates, weight, 4, rows, reverse);
    Tensor h = s.states(h0);
    Tensor c = s.states(c0);
    // Gates become activations; the caller's tensor may be looked at by its own node.
    Tensor act = t.tensor(gates.dtype(), gates.shape());
    t.run(OpCode.COPY, NONE, gates, act);
    Cells cells = s.cells(act);
    for (long at = 0; at < s.steps; at++) {
      Tensor step = s.of(act, at);
      t.backend().matmul(s.before(h, at), weight.transpose(0, 1), null, step, 1, 1);
      cells.lstm(step, s.before(c, at), s.after(h, at), s.after(c, at));
    }
    cells.free();
    Tensor y = s.outputs(h);
    if (t.wants(gates, weight)) {
      t.record(() -> lstmBackward(t, s, gates, weight, act, h, c, y), y, act, c);
    }
    return new Result(y, s.after(h, s.steps - 1), s.after(c, s.steps - 1));
  }

  private static void lstmBackward(
      Tape t, Steps s, Tensor gates, Tensor weight, Tensor act, Tensor h, Tensor c, Tensor y) {
    Tensor dy = t.gradient(y);
    if (dy == null) {
      return;
    }
    Tensor dgates = t.tensor(act.dtype(), act.shape());
    Tensor dc = t.tensor(c.dtype(), s.rows, s.features);
    Cells cells = s.cells(act);
    for (long at = s.steps - 1; at >= 0; at--) {
      Tensor dh = s.of(dy, at);
      boolean last = at == s.steps - 1;
      if (!last) {
        t.backend().matmul(s.of(dgates, at + 1), weight, null, dh, 1, 1);
      }
      cells.lstmBackward(
          dh,
          last ? null : dc,
          s.of(act, at),
          s.before(c, at),
          s.after(c, at),
          s.of(dgates, at),
          dc);
    }
    cells.free();
    t.scope().free(dc);
    s.giveWeight(weight, dgates, h);
    s.giveInput(gates, dgates);
  }

  /**
   * A GRU layer.
   *
   * @param x {@code x W_x^T + b_x} of all steps [T*N, 3F]
   * @param weight of the last output, W_h [3F, F]
   * @param bias added to that product, b_h [3F]
   * @param h0 output before the first step [N, F], constant; null for 0
   */
  public static Result gru(
      Tape t,
      Tensor x,
      Tensor weight,
      Tensor bias,
      @Nullable Tensor h0,
      long rows,
      boolean reverse) {
    Steps s = new Steps(t, x, weight, 3, rows, reverse);
    Tensor h = s.states(h0);
    Tensor act = t.tensor(x.dtype(), x.shape());
    Tensor hx = t.tensor(x.dtype(), x.shape());
    Cells cells = s.cells(act);
    for (long at = 0; at < s.steps; at++) {
      t.backend().matmul(s.before(h, at), weight.transpose(0, 1), bias, s.of(hx, at), 1, 0);
      cells.gru(s.of(x, at), s.of(hx, at), s.before(h, at), s.after(h, at), s.of(act, at));
    }
    cells.free();
    Tensor y = s.outputs(h);
    if (t.wants(x, weight, bias)) {
      t.record(() -> gruBackward(t, s, x, weight, bias, act, hx, h, y), y, act, hx);
    }
    Tensor end = s.after(h, s.steps - 1);
    return new Result(y, end, end);
  }

  private static void gruBackward(
      Tape t,
      Steps s,
      Tensor x,
      Tensor weight,
      Tensor bias,
      Tensor act,
      Tensor hx,
      Tensor h,
      Tensor y) {
    Tensor dy = t.gradient(y);
    if (dy == null) {
      return;
    }
    Tensor dx = t.tensor(x.dtype(), x.shape());
    Tensor dhx = t.tensor(x.dtype(), x.shape());
    Tensor direct = t.tensor(x.dtype(), s.rows, s.features);
    Cells cells = s.cells(act);
    for (long at = s.steps - 1; at >= 0; at--) {
      Tensor dh = s.of(dy, at);
      if (at < s.steps - 1) {
        t.run(OpCode.BINARY, new Params.Binary(0, 1, 1), dh, direct, dh);
        t.backend().matmul(s.of(dhx, at + 1), weight, null, dh, 1, 1);
      }
      cells.gruBackward(
          dh, s.of(act, at), s.of(hx, at), s.before(h, at), s.of(dx, at), s.of(dhx, at), direct);
    }
    cells.free();
    t.scope().free(direct);
    Tensor dbias = bias.grad();
    if (dbias != null) {
      Layers.sumRows(t, dhx, dbias);
    }
    s.giveWeight(weight, dhx, h);
    s.giveInput(x, dx);
  }

  // Where the steps lie. States are [(T+1)*N, F]: those before the first step, then after each; of
  // a reversed layer the last rows are those before the first step.
  private static final class Steps {
    private final Tape t;
    private final DType dtype;
    private final long rows;
    private final long features;
    private final long steps;
    private final boolean reverse;

    Steps(Tape t, Tensor gates, Tensor weight, int times, long rows, boolean reverse) {
      this.t = t;
      this.dtype = gates.dtype();
      this.rows = rows;
      this.features = weight.dim(1);
      this.steps = gates.dim(0) / rows;
      this.reverse = reverse;
      if (weight.dim(0) != times * features
          || gates.dim(1) != times * features
          || gates.dim(0) % rows != 0
          || steps == 0) {
        throw new IllegalArgumentException(
            "a recurrent layer of "
                + rows
                + " rows takes gates [T*"
                + rows
                + ", "
                + times
                + "F] and a weight ["
                + times
                + "F, F]; given are "
                + gates
                + " and "
                + weight);
      }
    }

    Cells cells(Tensor act) {
      return new Cells(t, act, rows, (int) (act.dim(1) / features), features);
    }

    Tensor states(@Nullable Tensor first) {
      Tensor all = t.tensor(dtype, (steps + 1) * rows, features);
      Tensor begin = part(all, reverse ? steps : 0);
      if (first == null) {
        Layers.fill(t, begin, 0);
      } else {
        t.run(OpCode.COPY, NONE, first, begin);
      }
      return all;
    }

    private Tensor part(Tensor all, long index) {
      return all.slice(0, index * rows, (index + 1) * rows);
    }

    // The rows of the step that is done `at`-th.
    Tensor of(Tensor all, long at) {
      return part(all, reverse ? steps - 1 - at : at);
    }

    Tensor before(Tensor states, long at) {
      return part(states, reverse ? steps - at : at);
    }

    Tensor after(Tensor states, long at) {
      return part(states, reverse ? steps - 1 - at : at + 1);
    }

    Tensor outputs(Tensor states) {
      return reverse ? states.slice(0, 0, steps * rows) : states.slice(0, rows, (steps + 1) * rows);
    }

    private Tensor inputs(Tensor states) {
      return reverse ? states.slice(0, rows, (steps + 1) * rows) : states.slice(0, 0, steps * rows);
    }

    void giveWeight(Tensor weight, Tensor dgates, Tensor states) {
      Tensor dw = weight.grad();
      boolean held = dw != null;
      if (!weight.requiresGrad() && !held) {
        return;
      }
      Tensor to = dw == null ? t.tensor(weight.dtype(), weight.shape()) : dw;
      t.backend()
          .matmul(dgates.transpose(0, 1), inputs(states), null, to, 1, held ? t.kept(to) : 0);
      if (!held) {
        t.give(weight, to);
      }
    }

    void giveInput(Tensor x, Tensor dx) {
      if (x.requiresGrad()) {
        t.give(x, dx);
      }
    }
  }
}
