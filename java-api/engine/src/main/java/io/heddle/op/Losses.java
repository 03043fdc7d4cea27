package io.heddle.op;

import io.heddle.autograd.Tape;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/** Losses. */
public final class Losses {
  /** Targets with this value do not count. */
  public static final int IGNORE = -100;

  /** How many of these targets count. */
  public static long scored(int[] targets) {
    return Arrays.stream(targets).filter(target -> target != IGNORE).count();
  }

  // Rows of logits that exist at one time. 1024 x 50257 floats are 206 MB; with all rows of a batch
  // it would be gigabytes.
  private static final int ROWS = 1024;

  // Rows of logits start on 128 bytes, whatever the vocabulary: tensor cores read no others fast.
  private static final int PADDING = 64;

  private Losses() {}

  /**
   * Cross-entropy of a linear output layer, {@code loss[n] = -log softmax(x[n] w^T)[target[n]]},
   * without ever holding all logits: chunks of rows are multiplied, differentiated and forgotten.
   * When recording, the gradient of {@code w} is added at once and that of {@code x} waits for the
   * backward pass, both times {@code gradScale}.
   *
   * @param x [N,F]
   * @param w [V,F]
   * @param targets i32 [N]; {@link #IGNORE} rows give 0
   * @param smoothing label smoothing, in [0, 1)
   * @param gradScale factor on gradients: 1 / number of targets for the mean
   * @return f32 [N], the loss of every row in nats
   */
  public static Tensor linearCrossEntropy(
      Tape t, Tensor x, Tensor w, Tensor targets, float smoothing, float gradScale) {
    return linearCrossEntropy(t, x, w, null, targets, smoothing, gradScale);
  }

  /**
   * The same of a layer with a bias, {@code x w^T + b}.
   *
   * @param b [V], or null
   */
  public static Tensor linearCrossEntropy(
      Tape t,
      Tensor x,
      Tensor w,
      @Nullable Tensor b,
      Tensor targets,
      float smoothing,
      float gradScale) {
    long n = x.dim(0);
    Tensor loss = t.tensor(DType.F32, n);
    boolean differentiate = t.wants(x, w, b);
    Tensor dx = differentiate && x.requiresGrad() ? t.tensor(x.dtype(), x.shape()) : null;
    Tensor dw = differentiate ? w.grad() : null;
    Tensor db = differentiate && b != null ? b.grad() : null;
    long padded = (w.dim(0) + PADDING - 1) / PADDING * PADDING;
    Tensor buffer = t.tensor(x.dtype(), Math.min(n, ROWS), padded);
    Params.CrossEntropy params = new Params.CrossEntropy(IGNORE, smoothing, gradScale);
    for (long from = 0; from < n; from += ROWS) {
      long to = Math.min(n, from + ROWS);
      Tensor rows = x.slice(0, from, to);
      Tensor logits = buffer.slice(0, 0, to - from).slice(1, 0, w.dim(0));
      t.backend().matmul(rows, w.transpose(0, 1), b, logits, 1, 0);
      Tensor dlogits = differentiate ? logits : null;
      t.run(
          OpCode.CROSS_ENTROPY,
          params,
          logits,
          targets.slice(0, from, to),
          loss.slice(0, from, to),
          dlogits);
      if (dx != null) {
        t.backend().matmul(logits, w, null, dx.slice(0, from, to), 1, 0);
      }
      if (dw != null) {
        t.backend().matmul(logits.transpose(0, 1), rows, null, dw, 1, t.kept(dw));
      }
      if (db != null) {
        Layers.sumRows(t, logits, db);
      }
    }
    t.scope().free(buffer);
    if (dx != null) {
      t.record(() -> t.give(x, dx));
    }
    return loss;
  }

  /**
   * Cross-entropy of given logits.
   *
   * @param logits [N,V]
   * @param targets i32 [N]; {@link #IGNORE} rows give 0
   * @param gradScale factor on gradients: 1 / number of targets for the mean
   * @return f32 [N], the loss of every row in nats
   */
  public static Tensor crossEntropy(
      Tape t, Tensor logits, Tensor targets, float smoothing, float gradScale) {
    Tensor loss = t.tensor(DType.F32, logits.dim(0));
    boolean wanted = t.wants(logits);
    Tensor dlogits = wanted ? t.tensor(logits.dtype(), logits.shape()) : null;
    t.run(
        OpCode.CROSS_ENTROPY,
        new Params.CrossEntropy(IGNORE, smoothing, gradScale),
        logits,
        targets,
        loss,
        dlogits);
    if (dlogits != null) {
      t.record(() -> t.give(logits, dlogits));
    }
    return loss;
  }

  /**
   * Binary cross-entropy of one logit per row: that of the two logits (0, x).
   *
   * @param logits [N,1]
   * @param targets i32 [N]: 0, 1 or {@link #IGNORE}
   * @return f32 [N], in nats
   */
  public static Tensor binaryCrossEntropy(Tape t, Tensor logits, Tensor targets, float gradScale) {
    Tensor two = t.tensor(logits.dtype(), logits.dim(0), 2);
    Layers.fill(t, two, 0);
    t.run(OpCode.COPY, new Params.None(), logits, two.slice(1, 1, 2));
    if (t.wants(logits)) {
      t.record(
          () -> {
            Tensor d = t.gradient(two);
            if (d != null) {
              Tensor dx = t.tensor(logits.dtype(), logits.shape());
              t.run(OpCode.COPY, new Params.None(), d.slice(1, 1, 2), dx);
              t.give(logits, dx);
            }
          },
          two);
    }
    return crossEntropy(t, two, targets, 0, gradScale);
  }

  /**
   * {@code (x - target)^2} of every element.
   *
   * @param x any shape; {@code target} likewise
   * @param gradScale factor on gradients: 1 / number of elements for the mean
   */
  public static Tensor squaredError(Tape t, Tensor x, Tensor target, float gradScale) {
    Tensor error = t.tensor(x.dtype(), x.shape());
    t.run(OpCode.BINARY, new Params.Binary(1, 1, 1), x, target, error);
    Tensor loss = t.tensor(x.dtype(), x.shape());
    t.run(OpCode.UNARY, new Params.Unary(5, 1, 0), error, loss);
    if (t.wants(x)) {
      t.record(
          () -> {
            Tensor dx = t.tensor(x.dtype(), x.shape());
            t.run(OpCode.UNARY, new Params.Unary(0, 2 * gradScale, 0), error, dx);
            t.give(x, dx);
          });
    }
    return loss;
  }

  /** The sum of losses, in double precision; waits for them. */
  public static double sum(Tensor losses) {
    double sum = 0;
    for (float loss : losses.toFloats()) {
      sum += loss;
    }
    return sum;
  }
}
