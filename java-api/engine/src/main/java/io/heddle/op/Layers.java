package io.heddle.op;

import io.heddle.autograd.Tape;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * Differentiable ops of a transformer layer except attention. Activations are [N, F]: N tokens of F
 * features.
 */
public final class Layers {
  private Layers() {}

  /** {@code y = x w^T + b}: x [N,I], w [O,I], b [O] or null; y [N,O]. */
  public static Tensor linear(Tape t, Tensor x, Tensor w, @Nullable Tensor b) {
    Tensor y = t.tensor(x.dtype(), x.dim(0), w.dim(0));
    t.backend().matmul(x, w.transpose(0, 1), b, y, 1, 0);
    if (t.wants(x, w, b)) {
      t.record(() -> linearBackward(t, x, w, b, y), y);
    }
    return y;
  }

  private static void linearBackward(Tape t, Tensor x, Tensor w, @Nullable Tensor b, Tensor y) {
    Tensor dy = t.gradient(y);
    if (dy == null) {
      return;
    }
    Tensor dw = w.grad();
    if (dw != null) {
      t.backend().matmul(dy.transpose(0, 1), x, null, dw, 1, t.kept(dw));
    }
    Tensor db = b == null ? null : b.grad();
    if (db != null) {
      sumRows(t, dy, db);
    }
    if (x.requiresGrad()) {
      Tensor dx = t.tensor(x.dtype(), x.shape());
      t.backend().matmul(dy, w, null, dx, 1, 0);
      t.give(x, dx);
    }
  }

  /** {@code gradient += } the sum of the rows of {@code dy}: of a bias. */
  static void sumRows(Tape t, Tensor dy, Tensor gradient) {
    t.run(
        OpCode.REDUCE,
        new Params.Reduce(0, t.kept(gradient)),
        dy,
        gradient.view(1, gradient.size()));
  }

  /** A parameter's gradient that is written part by part: zeroed if it had no content yet. */
  static Tensor settled(Tape t, Tensor gradient) {
    return t.kept(gradient) == 0 ? fill(t, gradient, 0) : gradient;
  }

  // Of parameters that one op gives their gradients: what the old content of all of them counts.
  private static int kept(Tape t, @Nullable Tensor first, @Nullable Tensor second) {
    if (first == null || second == null) {
      Tensor one = first == null ? second : first;
      return one == null ? 0 : t.kept(one);
    }
    int kept = t.kept(first);
    if (kept == t.kept(second)) {
      return kept;
    }
    fill(t, kept == 0 ? first : second, 0);
    return 1;
  }

  /** A norm's result: {@code y}, and the sum that was normalised, to be the next residual. */
  public record Normed(Tensor y, Tensor sum) {}

  /**
   * {@code sum = x + residual; y = norm(sum) * weight + bias} over the last dimension.
   *
   * @param kind 0 layer norm, 1 RMS norm
   * @param residual of the shape of x, or null: then {@code sum} is {@code x} itself
   */
  public static Normed norm(
      Tape t,
      int kind,
      Tensor x,
      @Nullable Tensor residual,
      Tensor weight,
      @Nullable Tensor bias,
      float eps) {
    return norm(t, kind, x, residual, weight, bias, eps, 0);
  }

  /** The same with {@code offset} added to the weight (1 for Gemma). */
  public static Normed norm(
      Tape t,
      int kind,
      Tensor x,
      @Nullable Tensor residual,
      Tensor weight,
      @Nullable Tensor bias,
      float eps,
      float offset) {
    Tensor y = t.tensor(x.dtype(), x.shape());
    Tensor s = residual == null ? x : t.tensor(x.dtype(), x.shape());
    Tensor mean = kind == 0 ? t.tensor(DType.F32, x.dim(0)) : null;
    Tensor rstd = t.tensor(DType.F32, x.dim(0));
    t.run(
        OpCode.NORM_FWD,
        new Params.Norm(kind, eps, offset, 0),
        x,
        residual,
        weight,
        bias,
        y,
        residual == null ? null : s,
        mean,
        rstd);
    if (t.wants(x, residual, weight, bias)) {
      Tape.Backward backward =
          () -> normBackward(t, kind, x, residual, weight, bias, y, s, mean, rstd, eps, offset);
      if (residual == null) {
        t.record(backward, y);
      } else {
        t.record(backward, y, s);
      }
    }
    return new Normed(y, s);
  }

  private static void normBackward(
      Tape t,
      int kind,
      Tensor x,
      @Nullable Tensor residual,
      Tensor weight,
      @Nullable Tensor bias,
      Tensor y,
      Tensor s,
      @Nullable Tensor mean,
      Tensor rstd,
      float eps,
      float offset) {
    Tensor dy = t.gradient(y);
    Tensor ds = residual == null ? null : t.gradient(s);
    if (dy == null) {
      if (ds != null) {
        throw new IllegalStateException("the sum of a norm is used but its output is not");
      }
      return;
    }
    Tensor dx = t.tensor(x.dtype(), x.shape());
    Tensor dweight = weight.grad();
    Tensor dbias = bias == null ? null : bias.grad();
    t.run(
        OpCode.NORM_BWD,
        new Params.Norm(kind, eps, offset, kept(t, dweight, dbias)),
        dy,
        ds,
        s,
        weight,
        mean,
        rstd,
        dx,
        dweight,
        dbias);
    if (residual != null && residual.requiresGrad()) {
      Tensor copy = dx;
      if (x.requiresGrad()) {
        copy = t.tensor(dx.dtype(), dx.shape());
        t.run(OpCode.COPY, new Params.None(), dx, copy);
      }
      t.give(residual, copy);
    }
    if (x.requiresGrad()) {
      t.give(x, dx);
    }
  }

  /** {@code y = f(x + bias)}; kinds as in {@code params.def}. */
  public static Tensor activation(Tape t, int kind, Tensor x, @Nullable Tensor bias) {
    Tensor y = t.tensor(x.dtype(), x.shape());
    t.run(OpCode.BIAS_ACT_FWD, new Params.Activation(kind, 0), x, bias, y);
    if (t.wants(x, bias)) {
      t.record(() -> activationBackward(t, OpCode.BIAS_ACT_BWD, kind, x, bias, y), y);
    }
    return y;
  }

  /** {@code y = f(gate) * up} with x = (gate, up) [N, 2F] and y [N, F]. */
  public static Tensor gated(Tape t, int kind, Tensor x, @Nullable Tensor bias) {
    Tensor y = t.tensor(x.dtype(), x.dim(0), x.dim(1) / 2);
    t.run(OpCode.GLU_FWD, new Params.Activation(kind, 0), x, bias, y);
    if (t.wants(x, bias)) {
      t.record(() -> activationBackward(t, OpCode.GLU_BWD, kind, x, bias, y), y);
    }
    return y;
  }

  private static void activationBackward(
      Tape t, OpCode op, int kind, Tensor x, @Nullable Tensor bias, Tensor y) {
    Tensor dy = t.gradient(y);
    if (dy != null) {
      Tensor dx = t.tensor(x.dtype(), x.shape());
      Tensor dbias = bias == null ? null : bias.grad();
      t.run(op, new Params.Activation(kind, kept(t, dbias, null)), dy, x, bias, dx, dbias);
      t.give(x, dx);
    }
  }

  /**
   * Zeroes elements with probability {@code p} and scales the rest; x itself when nothing is to be
   * dropped.
   */
  public static Tensor dropout(Tape t, Tensor x, float p) {
    if (p == 0 || !t.training()) {
      return x;
    }
    Params.Dropout params =
        new Params.Dropout(t.randomness().seed(), t.randomness().nextOffset(), p);
    Tensor added = t.randomness().added();
    return symmetric(t, x, (from, to) -> t.run(OpCode.DROPOUT, params, from, added, to));
  }

  /** A linear function whose gradient is the same function of the output's gradient. */
  @FunctionalInterface
  interface Symmetric {
    void apply(Tensor from, Tensor to);
  }

  /** {@code y = f(x)}, of one shape. */
  static Tensor symmetric(Tape t, Tensor x, Symmetric f) {
    Tensor y = t.tensor(x.dtype(), x.shape());
    f.apply(x, y);
    if (t.wants(x)) {
      t.record(
          () -> {
            Tensor dy = t.gradient(y);
            if (dy != null) {
              Tensor dx = t.tensor(x.dtype(), x.shape());
              f.apply(dy, dx);
              t.give(x, dx);
            }
          },
          y);
    }
    return y;
  }

  /** Rows of {@code table} [V,F] by {@code ids} i32 [N]: [N,F]. */
  public static Tensor embedding(Tape t, Tensor table, Tensor ids) {
    Tensor y = t.tensor(table.dtype(), ids.dim(0), table.dim(1));
    t.run(OpCode.EMBEDDING_FWD, new Params.Embedding(0), table, ids, y);
    if (t.wants(table)) {
      t.record(
          () -> {
            Tensor dy = t.gradient(y);
            Tensor dtable = table.grad();
            if (dy != null && dtable != null) {
              t.run(OpCode.EMBEDDING_BWD, new Params.Embedding(t.kept(dtable)), dy, ids, dtable);
            } else if (dy != null) {
              // Rows of an activation that no gradient has reached yet.
              Tensor first = t.tensor(dy.dtype(), table.shape());
              t.run(OpCode.EMBEDDING_BWD, new Params.Embedding(0), dy, ids, first);
              t.give(table, first);
            }
          },
          y);
    }
    return y;
  }

  /** {@code a + b}, of one shape. */
  public static Tensor add(Tape t, Tensor a, Tensor b) {
    Tensor y = t.tensor(a.dtype(), a.shape());
    t.run(OpCode.BINARY, new Params.Binary(0, 1, 1), a, b, y);
    if (t.wants(a, b)) {
      t.record(
          () -> {
            Tensor dy = t.gradient(y);
            if (dy != null) {
              for (Tensor input : new Tensor[] {a, b}) {
                if (input.requiresGrad()) {
                  Tensor dx = t.tensor(dy.dtype(), dy.shape());
                  t.run(OpCode.COPY, new Params.None(), dy, dx);
                  t.give(input, dx);
                }
              }
            }
          },
          y);
    }
    return y;
  }

  /** {@code a b}, element by element, of one shape. */
  public static Tensor multiply(Tape t, Tensor a, Tensor b) {
    Params times = new Params.Binary(2, 1, 1);
    Tensor y = t.tensor(a.dtype(), a.shape());
    t.run(OpCode.BINARY, times, a, b, y);
    if (t.wants(a, b)) {
      t.record(
          () -> {
            Tensor dy = t.gradient(y);
            for (Tensor input : new Tensor[] {a, b}) {
              if (dy != null && input.requiresGrad()) {
                Tensor dx = t.tensor(dy.dtype(), dy.shape());
                t.run(OpCode.BINARY, times, dy, input == a ? b : a, dx);
                t.give(input, dx);
              }
            }
          },
          y);
    }
    return y;
  }

  /** Sets every element of {@code x} to {@code value}; x. */
  public static Tensor fill(Tape t, Tensor x, float value) {
    Tensor one = t.tensor(DType.F32, 1).copyFrom(new float[] {value});
    t.run(OpCode.COPY, new Params.None(), one.expand(x.shape()), x);
    return x;
  }

  /** {@code alpha * x}. */
  public static Tensor scaled(Tape t, Tensor x, float alpha) {
    Params.Unary params = new Params.Unary(0, alpha, 0);
    return symmetric(t, x, (from, to) -> t.run(OpCode.UNARY, params, from, to));
  }

  /**
   * {@code factor * g} for each of {@code size} features: weights that are one number.
   *
   * @param g [1]
   * @return [size]
   */
  public static Tensor spread(Tape t, Tensor g, float factor, long size) {
    Tensor y = t.tensor(g.dtype(), size);
    t.run(OpCode.UNARY, new Params.Unary(0, factor, 0), g.expand(size), y);
    Tensor dg = g.grad();
    if (t.recording() && dg != null) {
      // Weights take their gradient in place, as parameters do.
      y.grad(fill(t, t.tensor(dg.dtype(), size), 0));
      t.record(
          () -> {
            Tensor dy = t.gradient(y);
            if (dy != null) {
              t.run(OpCode.UNARY, new Params.Unary(0, factor, 0), dy, dy);
              t.run(OpCode.REDUCE, new Params.Reduce(0, t.kept(dg)), dy, dg);
            }
          },
          y);
    }
    return y;
  }

  /** A view of an activation to copy from, and where its gradient goes back to. */
  @FunctionalInterface
  public interface View {
    /** The view of {@code x}, or of its gradient. */
    Tensor of(Tensor x);
  }

  /**
   * A contiguous copy of a view of {@code x}: rows, columns, a transposition. The view must not
   * repeat elements.
   *
   * @param shape of the copy, of as many elements as the view; none given: the view's
   */
  public static Tensor copy(Tape t, Tensor x, View view, long... shape) {
    Tensor part = view.of(x);
    Tensor y = t.tensor(x.dtype(), shape.length == 0 ? part.shape() : shape);
    t.run(OpCode.COPY, new Params.None(), part, y.view(part.shape()));
    if (t.wants(x)) {
      t.record(
          () -> {
            Tensor dy = t.gradient(y);
            if (dy != null) {
              Tensor dx = t.tensor(x.dtype(), x.shape());
              if (y.size() < x.size()) {
                fill(t, dx, 0);
              }
              t.run(OpCode.COPY, new Params.None(), dy.view(part.shape()), view.of(dx));
              t.give(x, dx);
            }
          },
          y);
    }
    return y;
  }
}
