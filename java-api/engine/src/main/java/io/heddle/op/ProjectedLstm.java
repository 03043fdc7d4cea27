package io.heddle.op;

import io.heddle.autograd.Tape;
import io.heddle.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * An LSTM layer whose output is a projection of its C cells to P features (LSTMP, Sak et al. 2014),
 * with the bounds of GluonNLP's LSTMPCellWithClip: {@code c = clip(f c + i g)}, {@code r = clip(W_r
 * (o tanh(c)))}, gates from the r of the step before; without bounds torch.nn.LSTM with {@code
 * proj_size}. Two products and a few element-wise ops a step: the products outweigh the rest.
 * Beyond a bound nothing comes back.
 */
public final class ProjectedLstm {
  private static final Params.None NONE = new Params.None();
  private static final int SIGMOID = 6;
  private static final int TANH = 5;
  private static final int ADD = 0;
  private static final int SUBTRACT = 1;
  private static final int MULTIPLY = 2;
  private static final int MAX = 4;
  private static final int MIN = 5;
  private static final float HUGE = 0x1p100f; // a power of two, so that nothing is rounded

  private final Tape t;
  private final Clips clips;
  private final boolean reverse;
  private final long rows;
  private final long cells;
  private final long steps;
  private final Tensor gates;
  private final Tensor weight;
  private final Tensor projection;
  private final @Nullable Tensor h0;
  private final @Nullable Tensor c0;
  private final Tensor act; // i, f, g, o of all steps
  private final Tensor cell;
  private final Tensor inner; // o tanh(c)
  private final Tensor y;

  /**
   * Bounds on absolute values, 0 for none.
   *
   * @param cell of cells
   * @param output of projected outputs
   */
  public record Clips(float cell, float output) {
    /** No bounds. */
    public static final Clips NONE = new Clips(0, 0);
  }

  private ProjectedLstm(
      Tape t,
      Tensor gates,
      Tensor weight,
      Tensor projection,
      @Nullable Tensor h0,
      @Nullable Tensor c0,
      long rows,
      boolean reverse,
      Clips clips) {
    this.t = t;
    this.gates = gates;
    this.weight = weight;
    this.projection = projection;
    this.h0 = h0;
    this.c0 = c0;
    this.rows = rows;
    this.reverse = reverse;
    this.clips = clips;
    this.cells = projection.dim(1);
    this.steps = gates.dim(0) / rows;
    long size = projection.dim(0);
    if (weight.dim(0) != 4 * cells
        || weight.dim(1) != size
        || gates.dim(1) != 4 * cells
        || gates.dim(0) % rows != 0
        || steps == 0) {
      throw new IllegalArgumentException(
          "an LSTMP layer of %d rows takes gates [T*%d, 4C], a weight [4C, P] and a projection [P, C]; given are %s, %s and %s"
              .formatted(rows, rows, gates, weight, projection));
    }
    this.act = t.tensor(gates.dtype(), gates.shape());
    this.cell = t.tensor(gates.dtype(), gates.dim(0), cells);
    this.inner = t.tensor(gates.dtype(), gates.dim(0), cells);
    this.y = t.tensor(gates.dtype(), gates.dim(0), size);
  }

  /**
   * Runs a layer.
   *
   * @param gates {@code x W_x^T + b} of all steps [T*N, 4C], in the order of torch
   * @param weight of the last output, W_h [4C, P]
   * @param projection W_r [P, C]
   * @param h0 output before the first step [N, P]; null for 0
   * @param c0 cell before the first step [N, C]; null for 0
   * @param rows N
   * @param reverse from the last step to the first
   * @return y [T*N, P], h [N, P], c [N, C]
   */
  public static Recurrent.Result run(
      Tape t,
      Tensor gates,
      Tensor weight,
      Tensor projection,
      @Nullable Tensor h0,
      @Nullable Tensor c0,
      long rows,
      boolean reverse,
      Clips clips) {
    return new ProjectedLstm(t, gates, weight, projection, h0, c0, rows, reverse, clips).run();
  }

  private Recurrent.Result run() {
    t.run(OpCode.COPY, NONE, gates, act);
    Tensor h = h0;
    Tensor c = c0;
    for (long s = 0; s < steps; s++) {
      forward(time(s), h, c);
      h = step(y, time(s));
      c = step(cell, time(s));
    }
    Tensor lastY = last(y);
    Tensor lastCell = last(cell);
    if (t.wants(gates, weight, projection, h0, c0)) {
      t.record(() -> backward(lastY, lastCell), act, cell, inner, y, lastY, lastCell);
    }
    return new Recurrent.Result(y, lastY, lastCell);
  }

  private void forward(long time, @Nullable Tensor h, @Nullable Tensor before) {
    Tensor own = step(act, time);
    if (h != null) {
      t.backend().matmul(h, weight.transpose(0, 1), null, own, 1, 1);
    }
    activate(SIGMOID, own.slice(1, 0, 2 * cells));
    activate(TANH, gate(own, 2));
    activate(SIGMOID, gate(own, 3));
    Tensor c = step(cell, time);
    binary(MULTIPLY, gate(own, 0), gate(own, 2), c);
    Tensor out = step(inner, time);
    if (before != null) {
      binary(MULTIPLY, gate(own, 1), before, out);
      binary(ADD, c, out, c);
    }
    clip(c, clips.cell);
    t.run(OpCode.UNARY, new Params.Unary(7, 1, 0), c, out);
    binary(MULTIPLY, gate(own, 3), out, out);
    Tensor r = step(y, time);
    t.backend().matmul(out, projection.transpose(0, 1), null, r, 1, 0);
    clip(r, clips.output);
  }

  private void backward(Tensor lastY, Tensor lastCell) {
    Tensor dy = t.gradient(y);
    Tensor dh = t.gradient(lastY);
    Tensor dlast = t.gradient(lastCell);
    if (dy == null && dh == null && dlast == null) {
      return;
    }
    Tensor dgates = slopes();
    Tensor dr = t.tensor(y.dtype(), y.shape());
    if (dy == null) {
      Layers.fill(t, dr, 0);
    } else {
      t.run(OpCode.COPY, NONE, dy, dr);
    }
    Tensor dc = t.tensor(cell.dtype(), rows, cells);
    if (dlast == null) {
      Layers.fill(t, dc, 0);
    } else {
      t.run(OpCode.COPY, NONE, dlast, dc);
    }
    List<Tensor> spare = scratch();
    Tensor before = t.tensor(y.dtype(), rows, y.dim(1));
    Tensor reaching = dh;
    for (long s = steps - 1; s >= 0; s--) {
      Tensor earlier = s > 0 ? step(cell, time(s - 1)) : c0;
      backward(time(s), earlier, reaching, dr, dc, dgates, spare);
      t.backend().matmul(step(dgates, time(s)), weight, null, before, 1, 0);
      reaching = before;
    }
    spare.forEach(t.scope()::free);
    give(projection, dr, inner);
    t.scope().free(dr);
    Recurrent.giveWeight(t, weight, dgates, y, h0, rows, reverse);
    giveState(h0, before);
    giveState(c0, dc);
    if (gates.requiresGrad()) {
      t.give(gates, dgates);
    } else {
      t.scope().free(dgates);
    }
  }

  // The slopes of all gates: a - a^2 of a sigmoid, 1 - a^2 of tanh.
  private Tensor slopes() {
    Tensor d = t.tensor(act.dtype(), act.shape());
    binary(MULTIPLY, act, act, d);
    for (int g = 0; g < 4; g++) {
      Tensor part = gate(d, g);
      if (g == 2) {
        t.run(OpCode.UNARY, new Params.Unary(0, -1, 1), part, part);
      } else {
        binary(SUBTRACT, gate(act, g), part, part);
      }
    }
    return d;
  }

  private List<Tensor> scratch() {
    List<Tensor> all = new ArrayList<>();
    for (int i = 0; i < 3; i++) {
      all.add(t.tensor(cell.dtype(), rows, cells));
    }
    return all;
  }

  // dgates holds slopes before, gradients after; dc is that of the cell after, then before.
  private void backward(
      long time,
      @Nullable Tensor earlier,
      @Nullable Tensor reaching,
      Tensor drs,
      Tensor dc,
      Tensor dgates,
      List<Tensor> spare) {
    Tensor dr = step(drs, time);
    if (reaching != null) {
      binary(ADD, dr, reaching, dr);
    }
    within(dr, step(y, time), clips.output);
    Tensor dinner = spare.get(0);
    t.backend().matmul(dr, projection, null, dinner, 1, 0);
    Tensor own = step(act, time);
    Tensor d = step(dgates, time);
    Tensor c = step(cell, time);
    Tensor tanh = spare.get(1);
    Tensor part = spare.get(2);
    t.run(OpCode.UNARY, new Params.Unary(7, 1, 0), c, tanh);
    binary(MULTIPLY, dinner, tanh, part);
    binary(MULTIPLY, gate(d, 3), part, gate(d, 3));
    // What reaches the cell through the output.
    binary(MULTIPLY, tanh, tanh, part);
    t.run(OpCode.UNARY, new Params.Unary(0, -1, 1), part, part);
    binary(MULTIPLY, part, gate(own, 3), part);
    binary(MULTIPLY, part, dinner, part);
    binary(ADD, dc, part, dc);
    within(dc, c, clips.cell);
    binary(MULTIPLY, dc, gate(own, 2), part);
    binary(MULTIPLY, gate(d, 0), part, gate(d, 0));
    binary(MULTIPLY, dc, gate(own, 0), part);
    binary(MULTIPLY, gate(d, 2), part, gate(d, 2));
    if (earlier == null) {
      Layers.fill(t, gate(d, 1), 0);
    } else {
      binary(MULTIPLY, dc, earlier, part);
      binary(MULTIPLY, gate(d, 1), part, gate(d, 1));
    }
    binary(MULTIPLY, dc, gate(own, 1), dc);
  }

  private void give(Tensor input, Tensor up, Tensor x) {
    Tensor held = input.grad();
    if (held != null) {
      t.backend().matmul(up.transpose(0, 1), x, null, held, 1, t.kept(held));
    } else if (input.requiresGrad()) {
      Tensor d = t.tensor(input.dtype(), input.shape());
      t.backend().matmul(up.transpose(0, 1), x, null, d, 1, 0);
      t.give(input, d);
    }
  }

  private void giveState(@Nullable Tensor state, Tensor gradient) {
    if (state != null && state.requiresGrad()) {
      t.give(state, gradient);
    } else {
      t.scope().free(gradient);
    }
  }

  private long time(long step) {
    return reverse ? steps - 1 - step : step;
  }

  private Tensor step(Tensor x, long time) {
    return x.slice(0, time * rows, (time + 1) * rows);
  }

  private Tensor gate(Tensor x, int number) {
    return x.slice(1, number * cells, (number + 1) * cells);
  }

  private Tensor last(Tensor states) {
    Tensor own = t.tensor(states.dtype(), rows, states.dim(1));
    t.run(OpCode.COPY, NONE, step(states, time(steps - 1)), own);
    return own;
  }

  private void activate(int kind, Tensor x) {
    t.run(OpCode.BIAS_ACT_FWD, new Params.Activation(kind, 0), x, null, x);
  }

  private void binary(int kind, Tensor a, Tensor b, Tensor out) {
    t.run(OpCode.BINARY, new Params.Binary(kind, 1, 1), a, b, out);
  }

  private void clip(Tensor x, float bound) {
    if (bound > 0) {
      Tensor most = bound(x, bound);
      binary(MIN, x, most, x);
      t.run(OpCode.BINARY, new Params.Binary(MAX, 1, -1), x, most, x);
    }
  }

  private Tensor bound(Tensor like, float bound) {
    Tensor one = t.tensor(like.dtype(), 1).copyFrom(new float[] {bound});
    return one.expand(like.shape());
  }

  // Nothing comes back from where x stands at the bound: a factor of 1 inside, 0 there.
  private void within(Tensor d, Tensor x, float bound) {
    if (bound > 0) {
      Tensor inside = t.tensor(x.dtype(), x.shape());
      t.run(OpCode.UNARY, new Params.Unary(6, 1, 0), x, inside);
      t.run(OpCode.BINARY, new Params.Binary(SUBTRACT, 1, 1), bound(x, bound), inside, inside);
      t.run(OpCode.UNARY, new Params.Unary(9, HUGE, 0), inside, inside);
      Tensor one = t.tensor(x.dtype(), 1).copyFrom(new float[] {1}).expand(x.shape());
      binary(MIN, inside, one, inside);
      binary(MULTIPLY, d, inside, d);
      t.scope().free(inside);
    }
  }
}
