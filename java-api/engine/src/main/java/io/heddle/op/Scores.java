package io.heddle.op;

import io.heddle.autograd.Tape;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * Attention in its parts, differentiable: scores of queries and keys, weights, and what they read.
 * For what {@link Attention} does not form: memory grows with T S. Queries are [B*T, ..], keys and
 * values [B*S, ..], row after row of the batch.
 */
public final class Scores {
  private static final Params.None NONE = new Params.None();
  private static final Params.Reduce SUM = new Params.Reduce(0, 0);

  private Scores() {}

  /**
   * {@code scale <q, k>}.
   *
   * @param q [B*T, D]
   * @param k [B*S, D]
   * @return [B, T, S]
   */
  public static Tensor products(Tape t, Tensor q, Tensor k, long batch, float scale) {
    Tensor queries = rows(q, batch);
    Tensor keys = rows(k, batch);
    Tensor y = t.tensor(q.dtype(), batch, queries.dim(1), keys.dim(1));
    t.backend().matmul(queries, keys.transpose(1, 2), null, y, scale, 0);
    if (t.wants(q, k)) {
      t.record(
          () -> {
            Tensor dy = t.gradient(y);
            if (dy != null && q.requiresGrad()) {
              t.give(q, product(t, dy, keys, scale));
            }
            if (dy != null && k.requiresGrad()) {
              t.give(k, product(t, dy.transpose(1, 2), queries, scale));
            }
          },
          y);
    }
    return y;
  }

  /**
   * {@code q + k} of every pair.
   *
   * @param q [B*T, U]
   * @param k [B*S, U]
   * @return [B*T*S, U]
   */
  public static Tensor sums(Tape t, Tensor q, Tensor k, long batch) {
    long units = q.dim(1);
    long[] pairs = {batch, q.dim(0) / batch, k.dim(0) / batch, units};
    long[] ofQuery = {batch, pairs[1], 1, units};
    long[] ofKey = {batch, 1, pairs[2], units};
    Tensor y = t.tensor(q.dtype(), batch * pairs[1] * pairs[2], units);
    t.run(
        OpCode.BINARY,
        new Params.Binary(0, 1, 1),
        q.view(ofQuery).expand(pairs),
        k.view(ofKey).expand(pairs),
        y.view(pairs));
    if (t.wants(q, k)) {
      t.record(
          () -> {
            Tensor dy = t.gradient(y);
            if (dy != null && q.requiresGrad()) {
              t.give(q, summed(t, dy.view(pairs), q, ofQuery));
            }
            if (dy != null && k.requiresGrad()) {
              t.give(k, summed(t, dy.view(pairs), k, ofKey));
            }
          },
          y);
    }
    return y;
  }

  private static Tensor summed(Tape t, Tensor pairs, Tensor like, long[] shape) {
    Tensor d = t.tensor(like.dtype(), like.shape());
    t.run(OpCode.REDUCE, SUM, pairs, d.view(shape));
    return d;
  }

  /**
   * {@code softmax(scores + mask)} over the keys. A query that sees no key has weights of 0, and
   * gives no gradient.
   *
   * @param scores [G, T, S], G a multiple of B
   * @param mask [B, T or 1, S]: 0 where a key is seen, minus infinity where not; null for all
   * @return [G, T, S]
   */
  public static Tensor weights(Tape t, Tensor scores, @Nullable Tensor mask) {
    Tensor y = t.tensor(scores.dtype(), scores.shape());
    Tensor open = scores;
    if (mask != null) {
      long[] all = {
        mask.dim(0), scores.dim(0) / mask.dim(0), scores.dim(1), scores.dim(2),
      };
      Tensor spread = mask.view(mask.dim(0), 1, mask.dim(1), mask.dim(2)).expand(all);
      t.run(OpCode.BINARY, new Params.Binary(0, 1, 1), scores.view(all), spread, y.view(all));
      open = y;
    }
    t.run(OpCode.SOFTMAX_FWD, NONE, open, y);
    if (t.wants(scores)) {
      t.record(
          () -> {
            Tensor dy = t.gradient(y);
            if (dy != null) {
              Tensor dx = t.tensor(scores.dtype(), scores.shape());
              t.run(OpCode.SOFTMAX_BWD, NONE, dy, y, dx);
              t.give(scores, dx);
            }
          },
          y);
    }
    return y;
  }

  /**
   * What weights read.
   *
   * @param weights [B, T, S]
   * @param v [B*S, V]
   * @return [B*T, V]
   */
  public static Tensor read(Tape t, Tensor weights, Tensor v) {
    long batch = weights.dim(0);
    Tensor values = rows(v, batch);
    Tensor y = t.tensor(v.dtype(), batch * weights.dim(1), v.dim(1));
    t.backend().matmul(weights, values, null, rows(y, batch), 1, 0);
    if (t.wants(weights, v)) {
      t.record(
          () -> {
            Tensor dy = t.gradient(y);
            if (dy != null && weights.requiresGrad()) {
              Tensor d = t.tensor(weights.dtype(), weights.shape());
              t.backend().matmul(rows(dy, batch), values.transpose(1, 2), null, d, 1, 0);
              t.give(weights, d);
            }
            if (dy != null && v.requiresGrad()) {
              t.give(v, product(t, weights.transpose(1, 2), rows(dy, batch), 1));
            }
          },
          y);
    }
    return y;
  }

  /**
   * The mask of keys that end at different steps.
   *
   * @param lengths keys that each row of the batch has
   * @param keys S
   * @return [B, 1, S]
   */
  public static Tensor mask(Tape t, DType dtype, int[] lengths, int keys) {
    float[] values = new float[lengths.length * keys];
    for (int b = 0; b < lengths.length; b++) {
      for (int s = lengths[b]; s < keys; s++) {
        values[b * keys + s] = Float.NEGATIVE_INFINITY;
      }
    }
    return t.tensor(dtype, lengths.length, 1, keys).copyFrom(values);
  }

  private static Tensor rows(Tensor x, long batch) {
    return x.view(batch, x.dim(0) / batch, x.dim(1));
  }

  // alpha a b as rows of a batch, [B*n, features].
  private static Tensor product(Tape t, Tensor a, Tensor b, float alpha) {
    Tensor y = t.tensor(b.dtype(), a.dim(0) * a.dim(1), b.dim(2));
    t.backend().matmul(a, b, null, rows(y, a.dim(0)), alpha, 0);
    return y;
  }
}
