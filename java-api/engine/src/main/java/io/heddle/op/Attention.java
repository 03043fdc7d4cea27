package io.heddle.op;

import io.heddle.autograd.Tape;
import io.heddle.op.pattern.BlockLayout;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** Differentiable attention over a packed product of queries, keys and values. */
public final class Attention {
  private Attention() {}

  /**
   * How heads lie in a packed tensor, and what is done to scores.
   *
   * @param heads query heads, H
   * @param kvHeads key/value heads, K; H is a multiple of it
   * @param headDim features per head, D
   * @param scale factor on scores
   * @param dropout probability of dropping a weight while training
   */
  public record Spec(int heads, int kvHeads, int headDim, float scale, float dropout) {
    /** Features of a packed row: (H + 2 K) D. */
    public int packed() {
      return (heads + 2 * kvHeads) * headDim;
    }
  }

  /**
   * Rotary embedding to be applied to queries and keys.
   *
   * @param positions i32 [T] or [B,T]
   * @param invFreq f32 [R]
   * @param interleaved neighbouring pairs, as GPT-J; else halves, as Llama
   */
  public record Rotary(Tensor positions, Tensor invFreq, boolean interleaved) {
    void apply(Tape t, Tensor x, boolean inverse) {
      t.run(
          OpCode.ROTARY,
          new Params.Rotary(interleaved ? 1 : 0, inverse ? 1 : 0, 1),
          x,
          positions,
          invFreq,
          x);
    }
  }

  /**
   * Self-attention of {@code batch} rows. {@code qkv} is read in place and, with rotary, turned in
   * place.
   *
   * @param qkv [B*T, (H + 2K) D]: queries, keys, values of a token side by side
   * @param layout which keys are seen; null for all
   * @return [B*T, H D]
   */
  public static Tensor packed(
      Tape t,
      Tensor qkv,
      int batch,
      Spec spec,
      @Nullable Rotary rotary,
      BlockLayout.@Nullable Tensors layout) {
    Tensor q = heads(qkv, batch, 0, spec.heads, spec.headDim);
    Tensor k = heads(qkv, batch, spec.heads, spec.kvHeads, spec.headDim);
    Tensor v = heads(qkv, batch, spec.heads + spec.kvHeads, spec.kvHeads, spec.headDim);
    if (rotary != null) {
      rotary.apply(t, q, false);
      rotary.apply(t, k, false);
    }
    Tensor out = t.tensor(qkv.dtype(), qkv.dim(0), (long) spec.heads * spec.headDim);
    Tensor o = heads(out, batch, 0, spec.heads, spec.headDim);
    Tensor lse = t.tensor(DType.F32, batch, spec.heads, qkv.dim(0) / batch);
    float dropout = t.training() ? spec.dropout : 0;
    long offset = dropout > 0 ? t.randomness().nextOffset() : 0;
    Params.Attention params =
        new Params.Attention(t.randomness().seed(), offset, spec.scale, 0, dropout);
    forward(t, params, q, k, v, layout, o, lse);
    if (t.wants(qkv)) {
      t.record(
          () -> {
            Tensor dout = t.gradient(out);
            if (dout != null) {
              Tensor dqkv = t.tensor(qkv.dtype(), qkv.shape());
              Tensor dq = heads(dqkv, batch, 0, spec.heads, spec.headDim);
              Tensor dk = heads(dqkv, batch, spec.heads, spec.kvHeads, spec.headDim);
              Tensor dv = heads(dqkv, batch, spec.heads + spec.kvHeads, spec.kvHeads, spec.headDim);
              Tensor grad = heads(dout, batch, 0, spec.heads, spec.headDim);
              backward(t, params, q, k, v, o, lse, grad, layout, dq, dk, dv);
              if (rotary != null) {
                rotary.apply(t, dq, true);
                rotary.apply(t, dk, true);
              }
              t.give(qkv, dqkv);
            }
          },
          out,
          lse);
    }
    return out;
  }

  /**
   * Attention of queries [B,H,T,D] over keys and values [B,K,S,D] (any strides), without gradient:
   * [B*T, H D].
   */
  public static Tensor over(
      Tape t, Tensor q, Tensor k, Tensor v, Spec spec, BlockLayout.@Nullable Tensors layout) {
    Tensor out = t.tensor(q.dtype(), q.dim(0) * q.dim(2), (long) spec.heads * spec.headDim);
    Tensor o = heads(out, (int) q.dim(0), 0, spec.heads, spec.headDim);
    forward(t, new Params.Attention(0, 0, spec.scale, 0, 0), q, k, v, layout, o, null);
    return out;
  }

  /**
   * Heads {@code first} to {@code first + count} of a packed [B*T, F], as a view [B, count, T, D].
   */
  public static Tensor heads(Tensor packed, int batch, int first, int count, int headDim) {
    return packed
        .slice(1, (long) first * headDim, (long) (first + count) * headDim)
        .split(1, count, headDim)
        .split(0, batch, packed.dim(0) / batch)
        .transpose(1, 2);
  }

  private static void forward(
      Tape t,
      Params.Attention params,
      Tensor q,
      Tensor k,
      Tensor v,
      BlockLayout.@Nullable Tensors layout,
      Tensor o,
      @Nullable Tensor lse) {
    if (layout == null) {
      t.run(OpCode.ATTENTION_FWD, params, q, k, v, null, null, null, null, null, o, lse);
    } else {
      t.run(
          OpCode.ATTENTION_FWD,
          params,
          q,
          k,
          v,
          layout.rowPtr(),
          layout.rowBlocks(),
          layout.masks(),
          layout.headGroup(),
          null,
          o,
          lse);
    }
  }

  private static void backward(
      Tape t,
      Params.Attention params,
      Tensor q,
      Tensor k,
      Tensor v,
      Tensor o,
      Tensor lse,
      Tensor grad,
      BlockLayout.@Nullable Tensors layout,
      Tensor dq,
      Tensor dk,
      Tensor dv) {
    if (layout == null) {
      t.run(
          OpCode.ATTENTION_BWD,
          params,
          q,
          k,
          v,
          o,
          lse,
          grad,
          null,
          null,
          null,
          null,
          null,
          null,
          null,
          dq,
          dk,
          dv);
    } else {
      t.run(
          OpCode.ATTENTION_BWD,
          params,
          q,
          k,
          v,
          o,
          lse,
          grad,
          layout.rowPtr(),
          layout.rowBlocks(),
          layout.colPtr(),
          layout.colBlocks(),
          layout.masks(),
          layout.headGroup(),
          null,
          dq,
          dk,
          dv);
    }
  }
}
