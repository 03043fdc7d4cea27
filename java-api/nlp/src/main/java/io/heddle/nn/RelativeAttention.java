package io.heddle.nn;

import io.heddle.autograd.Tape;
import io.heddle.op.Attention.Part;
import io.heddle.op.Attention.PartGradients;
import io.heddle.op.Layers;
import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.op.pattern.AttentionPattern;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Attention with a bias tensor, {@code softmax(scale (q k^T + bias) + mask) v}, composed of matrix
 * products and a softmax: T5's bucket bias (Raffel et al. 2020) and DeBERTa's disentangled scores
 * (He et al. 2021). Memory grows with T S, which the fused kernel's does not.
 */
public final class RelativeAttention {
  private static final Params.None NONE = new Params.None();
  private static final float HIDDEN = -1e30f;

  private RelativeAttention() {}

  /**
   * 0 where a key is seen, -1e30 where not, [rows,1,T,S].
   *
   * @param rows the pattern of each batch row, or one for all
   */
  public static Tensor mask(
      Tape t, DType dtype, List<AttentionPattern> rows, int queries, int keys) {
    float[] values = new float[rows.size() * queries * keys];
    int at = 0;
    for (AttentionPattern pattern : rows) {
      for (int q = 0; q < queries; q++) {
        for (int k = 0; k < keys; k++) {
          values[at++] = pattern.allows(q + (long) keys - queries, k) ? 0 : HIDDEN;
        }
      }
    }
    return t.tensor(dtype, rows.size(), 1, queries, keys).copyFrom(values);
  }

  /**
   * The bias of every pair from a table of buckets.
   *
   * @param table [buckets, H]
   * @param ids i32 [T*S], the bucket of each pair
   * @return [1,H,T,S]
   */
  public static Tensor bucketBias(Tape t, Tensor table, Tensor ids, int queries, int keys) {
    Tensor pairs = Layers.embedding(t, table, ids);
    return Layers.copy(
        t,
        pairs,
        x -> x.split(0, 1, queries, keys).transpose(2, 3).transpose(1, 2),
        1,
        table.dim(1),
        queries,
        keys);
  }

  /**
   * T5's bucket of a distance {@code key - query}: half of the buckets hold one distance each, the
   * others grow with the logarithm up to {@code farthest}.
   */
  static int bucket(int distance, boolean causal, int buckets, int farthest) {
    int half = causal ? buckets : buckets / 2;
    int base = !causal && distance > 0 ? half : 0;
    int away = causal ? Math.max(-distance, 0) : Math.abs(distance);
    int exact = half / 2;
    if (away < exact) {
      return base + away;
    }
    float far =
        (float) Math.log((float) away / exact)
            / (float) Math.log((double) farthest / exact)
            * (half - exact);
    return base + Math.min(exact + (int) far, half - 1);
  }

  /** The buckets of all pairs, i32 [T*S], bottom-right aligned. */
  public static Tensor buckets(
      Tape t, int queries, int keys, boolean causal, int buckets, int farthest) {
    int[] ids = new int[queries * keys];
    for (int q = 0; q < queries; q++) {
      for (int k = 0; k < keys; k++) {
        ids[q * keys + k] = bucket(k - (q + keys - queries), causal, buckets, farthest);
      }
    }
    return t.tensor(DType.I32, ids.length).copyFrom(ids);
  }

  /**
   * Attention over packed heads.
   *
   * @param bias [B or 1,H,T,S], or null
   * @param mask [B or 1,1,T,S], or null
   * @return [B*T, H D]
   */
  public static Tensor of(
      Tape t,
      Part q,
      Part k,
      Part v,
      int batch,
      int headDim,
      float scale,
      @Nullable Tensor bias,
      @Nullable Tensor mask) {
    Tensor qs = flat(t, q.view(batch, headDim));
    Tensor ks = flat(t, k.view(batch, headDim));
    Tensor vs = flat(t, v.view(batch, headDim));
    Tensor weights = weights(t, qs, ks, batch, scale, bias, mask);
    Tensor out = t.tensor(qs.dtype(), batch * qs.dim(1), (long) q.count() * headDim);
    Part outPart = new Part(out, 0, q.count());
    product(t, weights, vs, outPart, batch, headDim);
    if (t.wants(q.packed(), k.packed(), v.packed(), bias)) {
      t.record(
          () -> {
            Tensor dout = t.gradient(out);
            if (dout == null) {
              return;
            }
            Tensor d = flat(t, new Part(dout, 0, q.count()).view(batch, headDim));
            Tensor ds = t.tensor(weights.dtype(), weights.shape());
            t.backend().matmul(d, vs.transpose(1, 2), null, ds, 1, 0);
            t.run(OpCode.SOFTMAX_BWD, NONE, ds, weights, ds);
            PartGradients gradients = new PartGradients(t, batch, headDim, q, k, v);
            product(t, weights.transpose(1, 2), d, gradients.of(v), 1);
            product(t, ds, ks, gradients.of(q), scale);
            product(t, ds.transpose(1, 2), qs, gradients.of(k), scale);
            gradients.give();
            if (bias != null && bias.requiresGrad()) {
              t.give(bias, biasGradient(t, ds, bias, batch, scale));
            }
          },
          out,
          weights,
          qs,
          ks,
          vs);
    }
    return out;
  }

  /**
   * Attention of queries [B,H,T,D] over keys and values [B,H,S,D] (any strides), without gradient:
   * [B*T, H D].
   */
  public static Tensor over(
      Tape t, Tensor q, Tensor k, Tensor v, float scale, Tensor bias, Tensor mask) {
    int batch = (int) q.dim(0);
    Tensor weights = weights(t, flat(t, q), flat(t, k), batch, scale, bias, mask);
    Tensor out = t.tensor(q.dtype(), batch * q.dim(2), q.dim(1) * q.dim(3));
    Part part = new Part(out, 0, (int) q.dim(1));
    product(t, weights, flat(t, v), part, batch, (int) q.dim(3));
    return out;
  }

  // [B,H,T,D] in any strides to a contiguous [B*H,T,D].
  private static Tensor flat(Tape t, Tensor heads) {
    Tensor y = t.tensor(heads.dtype(), heads.dim(0) * heads.dim(1), heads.dim(2), heads.dim(3));
    t.run(OpCode.COPY, NONE, heads, y.view(heads.shape()));
    return y;
  }

  private static Tensor weights(
      Tape t,
      Tensor q,
      Tensor k,
      int batch,
      float scale,
      @Nullable Tensor bias,
      @Nullable Tensor mask) {
    Tensor scores = t.tensor(q.dtype(), q.dim(0), q.dim(1), k.dim(1));
    t.backend().matmul(q, k.transpose(1, 2), null, scores, scale, 0);
    Tensor shaped = scores.view(batch, q.dim(0) / batch, q.dim(1), k.dim(1));
    if (bias != null) {
      Tensor all = bias.expand(shaped.shape());
      t.run(OpCode.BINARY, new Params.Binary(0, 1, scale), shaped, all, shaped);
    }
    if (mask != null) {
      Tensor all = mask.expand(shaped.shape());
      t.run(OpCode.BINARY, new Params.Binary(0, 1, 1), shaped, all, shaped);
    }
    t.run(OpCode.SOFTMAX_FWD, NONE, scores, scores);
    return scores;
  }

  private static void product(Tape t, Tensor a, Tensor b, Part into, int batch, int headDim) {
    product(t, a, b, into.view(batch, headDim), 1);
  }

  // a b into heads of any strides.
  private static void product(Tape t, Tensor a, Tensor b, Tensor into, float alpha) {
    Tensor y = t.tensor(b.dtype(), a.dim(0), a.dim(1), b.dim(2));
    t.backend().matmul(a, b, null, y, alpha, 0);
    t.run(OpCode.COPY, NONE, y.view(into.shape()), into);
    t.scope().free(y);
  }

  private static Tensor biasGradient(Tape t, Tensor ds, Tensor bias, int batch, float scale) {
    Tensor shaped = ds.view(batch, bias.dim(1), bias.dim(2), bias.dim(3));
    Tensor d = t.tensor(bias.dtype(), bias.shape());
    t.run(OpCode.REDUCE, new Params.Reduce(0, 0), shaped, d);
    t.run(OpCode.UNARY, new Params.Unary(0, scale, 0), d, d);
    return d;
  }
}
