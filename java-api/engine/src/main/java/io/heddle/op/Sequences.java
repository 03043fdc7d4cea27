package io.heddle.op;

import io.heddle.autograd.Tape;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Differentiable ops along time, composed of matrix products and element-wise ops. Activations are
 * [N, F]; where rows of a batch matter, N = B T, row after row.
 */
public final class Sequences {
  // Times any difference of two floats of common size this exceeds 1.
  private static final float HUGE = 1e30f;

  private Sequences() {}

  /**
   * Convolution over time: {@code y[n] = sum_j w_j x[n + j]}, j from 0 to {@code width - 1}; what
   * lies after the last x counts as 0. Windows do not stop where a row of a batch does: pad rows,
   * or shut such windows out.
   *
   * @param x [N,E]
   * @param w [F, width E], the matrices w_0, w_1, ... side by side
   * @return [N,F]
   */
  public static Tensor convolution(Tape t, Tensor x, Tensor w, int width) {
    if (width < 1 || w.dim(1) != width * x.dim(1)) {
      throw new IllegalArgumentException(
          "a convolution of width " + width + " over " + x + " cannot have the weight " + w);
    }
    long n = x.dim(0);
    Tensor y = t.tensor(x.dtype(), n, w.dim(0));
    for (int j = 0; j < width && (j == 0 || j < n); j++) {
      Tensor matrix = matrix(w, x, j).transpose(0, 1);
      t.backend().matmul(x.slice(0, j, n), matrix, null, y.slice(0, 0, n - j), 1, j == 0 ? 0 : 1);
    }
    if (t.wants(x, w)) {
      t.record(() -> convolutionBackward(t, x, w, width, y), y);
    }
    return y;
  }

  private static Tensor matrix(Tensor w, Tensor x, int j) {
    return w.slice(1, j * x.dim(1), (j + 1) * x.dim(1));
  }

  private static void convolutionBackward(Tape t, Tensor x, Tensor w, int width, Tensor y) {
    Tensor dy = t.gradient(y);
    if (dy == null) {
      return;
    }
    long n = x.dim(0);
    Tensor dw = w.grad() == null ? null : Layers.settled(t, w.grad());
    Tensor dx = x.requiresGrad() ? t.tensor(x.dtype(), x.shape()) : null;
    for (int j = 0; j < width && (j == 0 || j < n); j++) {
      Tensor part = dy.slice(0, 0, n - j);
      if (dw != null) {
        t.backend().matmul(part.transpose(0, 1), x.slice(0, j, n), null, matrix(dw, x, j), 1, 1);
      }
      if (dx != null) {
        t.backend().matmul(part, matrix(w, x, j), null, dx.slice(0, j, n), 1, j == 0 ? 0 : 1);
      }
    }
    if (dx != null) {
      t.give(x, dx);
    }
  }

  /**
   * The largest value of each feature over each row's time. Where several are largest they share
   * the gradient.
   *
   * @param x [B*T,F], T at least 1
   * @param shut added to all features of a time, of the dtype of x, [B,T]: 0, or a large negative
   *     number where a time does not count; null for none
   * @return [B,F]
   */
  public static Tensor maxOverTime(Tape t, Tensor x, int batch, @Nullable Tensor shut) {
    long features = x.dim(1);
    long time = x.dim(0) / batch;
    Tensor scores = t.tensor(x.dtype(), batch, time, features);
    Tensor open = x.view(batch, time, features);
    if (shut == null) {
      t.run(OpCode.COPY, new Params.None(), open, scores);
    } else {
      Tensor spread = shut.view(batch, time, 1).expand(batch, time, features);
      t.run(OpCode.BINARY, new Params.Binary(0, 1, 1), open, spread, scores);
    }
    Tensor y = t.tensor(x.dtype(), batch, features);
    Tensor largest = y.view(batch, 1, features);
    t.run(OpCode.REDUCE, new Params.Reduce(2, 0), scores, largest);
    if (t.wants(x)) {
      t.record(() -> maxBackward(t, x, scores, largest, t.gradient(y)), y, scores);
    }
    return y;
  }

  private static void maxBackward(
      Tape t, Tensor x, Tensor scores, Tensor largest, @Nullable Tensor dy) {
    if (dy == null) {
      return;
    }
    long[] all = scores.shape();
    // 1 where a score is the largest, by relu(1 - HUGE (largest - score)).
    Tensor dx = t.tensor(x.dtype(), x.shape());
    Tensor chosen = dx.view(all);
    t.run(OpCode.BINARY, new Params.Binary(1, 1, 1), largest.expand(all), scores, chosen);
    t.run(OpCode.UNARY, new Params.Unary(9, -HUGE, 1), chosen, chosen);
    Tensor share = t.tensor(x.dtype(), largest.shape());
    t.run(OpCode.REDUCE, new Params.Reduce(0, 0), chosen, share);
    t.run(OpCode.BINARY, new Params.Binary(3, 1, 1), dy.view(share.shape()), share, share);
    t.run(OpCode.BINARY, new Params.Binary(2, 1, 1), chosen, share.expand(all), chosen);
    t.scope().free(share);
    t.give(x, dx);
  }

  /**
   * {@code y[n] = weights[n] x[n]}: rows left out, scaled, or dropped as wholes.
   *
   * @param x [N,F]
   * @param weights [N], constants of the dtype of x
   */
  public static Tensor weighted(Tape t, Tensor x, Tensor weights) {
    Tensor spread = weights.view(weights.size(), 1).expand(x.shape());
    Params times = new Params.Binary(2, 1, 1);
    return Layers.symmetric(t, x, (from, to) -> t.run(OpCode.BINARY, times, from, spread, to));
  }

  /**
   * The sum of each row's times: with {@link #weighted} the mean over a row's own tokens.
   *
   * @param x [B*T,F]
   * @return [B,F]
   */
  public static Tensor sumOverTime(Tape t, Tensor x, int batch) {
    long features = x.dim(1);
    long[] all = {batch, x.dim(0) / batch, features};
    Tensor y = t.tensor(x.dtype(), batch, features);
    t.run(OpCode.REDUCE, new Params.Reduce(0, 0), x.view(all), y.view(batch, 1, features));
    if (t.wants(x)) {
      t.record(
          () -> {
            Tensor dy = t.gradient(y);
            if (dy != null) {
              Tensor dx = t.tensor(x.dtype(), x.shape());
              Tensor spread = dy.view(batch, 1, features).expand(all);
              t.run(OpCode.COPY, new Params.None(), spread, dx.view(all));
              t.give(x, dx);
            }
          },
          y);
    }
    return y;
  }

  /** Features side by side: [N,F1], [N,F2], ... to [N, F1 + F2 + ...]. */
  public static Tensor joined(Tape t, List<Tensor> parts) {
    long features = parts.stream().mapToLong(p -> p.dim(1)).sum();
    Tensor y = t.tensor(parts.getFirst().dtype(), parts.getFirst().dim(0), features);
    long at = 0;
    for (Tensor part : parts) {
      t.run(OpCode.COPY, new Params.None(), part, y.slice(1, at, at + part.dim(1)));
      at += part.dim(1);
    }
    if (t.wants(parts.toArray(new Tensor[0]))) {
      t.record(() -> joinedBackward(t, parts, t.gradient(y)), y);
    }
    return y;
  }

  private static void joinedBackward(Tape t, List<Tensor> parts, @Nullable Tensor dy) {
    long at = 0;
    for (Tensor part : parts) {
      if (dy != null && part.requiresGrad()) {
        Tensor dx = t.tensor(part.dtype(), part.shape());
        t.run(OpCode.COPY, new Params.None(), dy.slice(1, at, at + part.dim(1)), dx);
        t.give(part, dx);
      }
      at += part.dim(1);
    }
  }

  /**
   * Activation regularisation (Merity et al. 2017): {@code alpha mean(h^2)}. Its gradient is added
   * to that of h.
   *
   * @param h any shape
   * @param gradScale factor on the gradient
   * @return f32 [1], alpha times the mean
   */
  public static Tensor activationPenalty(Tape t, Tensor h, float alpha, float gradScale) {
    return squares(t, h, h.view(h.size()), alpha, gradScale);
  }

  /**
   * Temporal activation regularisation (the same): {@code beta mean((h[t+1] - h[t])^2)}.
   *
   * @param h [B*T,F], T at least 2
   * @return f32 [1], beta times the mean
   */
  public static Tensor temporalPenalty(Tape t, Tensor h, int batch, float beta, float gradScale) {
    return change(t, h, batch, h.dim(1), beta, gradScale);
  }

  /**
   * The same of a sequence that is time-major.
   *
   * @param h [T*N,F], T at least 2
   * @param rows N
   */
  public static Tensor stepPenalty(Tape t, Tensor h, int rows, float beta, float gradScale) {
    return change(t, h, 1, rows * h.dim(1), beta, gradScale);
  }

  private static Tensor change(
      Tape t, Tensor h, long batch, long features, float beta, float gradScale) {
    long time = h.size() / (batch * features);
    Tensor rows = h.view(batch, time, features);
    Tensor change = t.tensor(h.dtype(), batch, time - 1, features);
    Params minus = new Params.Binary(1, 1, 1);
    t.run(OpCode.BINARY, minus, rows.slice(1, 1, time), rows.slice(1, 0, time - 1), change);
    if (t.wants(h)) {
      t.record(
          () -> {
            Tensor d = t.gradient(change);
            if (d != null) {
              Tensor dh = t.tensor(h.dtype(), h.shape());
              Layers.fill(t, dh, 0);
              Tensor into = dh.view(batch, time, features);
              Tensor later = into.slice(1, 1, time);
              Tensor earlier = into.slice(1, 0, time - 1);
              t.run(OpCode.COPY, new Params.None(), d, later);
              t.run(OpCode.BINARY, minus, earlier, d, earlier);
              t.give(h, dh);
            }
          },
          change);
    }
    return squares(t, change, change.view(change.size()), beta, gradScale);
  }

  /**
   * Dropout with one mask for all steps (Gal &amp; Ghahramani 2016).
   *
   * @param x [T*N, F], step after step
   * @param rows N
   */
  public static Tensor lockedDropout(Tape t, Tensor x, long rows, float p) {
    if (p == 0 || !t.training()) {
      return x;
    }
    Tensor ones = Layers.fill(t, t.tensor(x.dtype(), rows, x.dim(1)), 1);
    Tensor mask = Layers.dropout(t, ones, p);
    long steps = x.dim(0) / rows;
    long[] all = {steps, rows, x.dim(1)};
    Tensor spread = mask.view(1, rows, x.dim(1)).expand(all);
    Params times = new Params.Binary(2, 1, 1);
    return Layers.symmetric(
        t, x, (from, to) -> t.run(OpCode.BINARY, times, from.view(all), spread, to.view(all)));
  }

  private static Tensor squares(Tape t, Tensor x, Tensor flat, float factor, float gradScale) {
    Tensor loss = t.tensor(DType.F32, 1);
    t.run(OpCode.SUM_SQUARES, new Params.None(), flat, loss);
    t.run(OpCode.UNARY, new Params.Unary(0, factor / flat.size(), 0), loss, loss);
    if (t.wants(x)) {
      t.record(
          () -> {
            Tensor dx = t.tensor(x.dtype(), x.shape());
            Params scale = new Params.Unary(0, 2 * factor * gradScale / flat.size(), 0);
            t.run(OpCode.UNARY, scale, x, dx);
            t.give(x, dx);
          });
    }
    return loss;
  }
}
