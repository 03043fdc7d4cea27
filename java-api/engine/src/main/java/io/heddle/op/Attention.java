package io.heddle.op;

import io.heddle.autograd.Tape;
import io.heddle.op.pattern.BlockLayout;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import java.util.IdentityHashMap;
import org.jspecify.annotations.Nullable;

/** Differentiable attention over heads that lie side by side in packed products. */
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
   * @param softcap scores become {@code softcap * tanh(score / softcap)}; 0 for none
   * @param slopes f32 [H] of ALiBi (Press et al. 2022), or null
   */
  public record Spec(
      int heads,
      int kvHeads,
      int headDim,
      float scale,
      float dropout,
      float softcap,
      @Nullable Tensor slopes) {
    /** Without soft cap and ALiBi. */
    public Spec(int heads, int kvHeads, int headDim, float scale, float dropout) {
      this(heads, kvHeads, headDim, scale, dropout, 0, null);
    }

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
   * @param amplitude factor on cos and sin, usually 1
   */
  public record Rotary(Tensor positions, Tensor invFreq, boolean interleaved, float amplitude) {
    /** Turns {@code x} [B,H,T,D] in place, or back. */
    public void apply(Tape t, Tensor x, boolean inverse) {
      t.run(
          OpCode.ROTARY,
          new Params.Rotary(interleaved ? 1 : 0, inverse ? 1 : 0, amplitude),
          x,
          positions,
          invFreq,
          x);
    }
  }

  /** Heads {@code first} to {@code first + count} of a packed product [B*T, heads D]. */
  public record Part(Tensor packed, int first, int count) {
    /** The heads as a view [B, count, T, D]. */
    public Tensor view(int batch, int headDim) {
      return heads(packed, batch, first, count, headDim);
    }
  }

  /**
   * Gradients of parts, [B, count, T, D] each; the parts of one packed product get slices of one
   * tensor, which starts at zero when they do not cover it.
   */
  public static final class PartGradients {
    private final Tape tape;
    private final int batch;
    private final int headDim;
    private final IdentityHashMap<Tensor, Tensor> whole = new IdentityHashMap<>();

    /** Gradients of {@code parts}. */
    public PartGradients(Tape tape, int batch, int headDim, Part... parts) {
      this.tape = tape;
      this.batch = batch;
      this.headDim = headDim;
      IdentityHashMap<Tensor, Integer> covered = new IdentityHashMap<>();
      for (Part part : parts) {
        covered.merge(part.packed, part.count * headDim, Integer::sum);
      }
      covered.forEach(
          (packed, width) -> {
            Tensor d = tape.tensor(packed.dtype(), packed.shape());
            whole.put(packed, width == packed.dim(1) ? d : Layers.fill(tape, d, 0));
          });
    }

    /** Where the gradient of {@code part} goes. */
    public Tensor of(Part part) {
      Tensor d = whole.get(part.packed);
      if (d == null) {
        throw new IllegalArgumentException("no gradient was made for " + part);
      }
      return heads(d, batch, part.first, part.count, headDim);
    }

    /** Gives all to the products that want one. */
    public void give() {
      whole.forEach(
          (packed, d) -> {
            if (packed.requiresGrad()) {
              tape.give(packed, d);
            }
          });
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
    Part q = new Part(qkv, 0, spec.heads);
    Part k = new Part(qkv, spec.heads, spec.kvHeads);
    Part v = new Part(qkv, spec.heads + spec.kvHeads, spec.kvHeads);
    return of(t, q, k, v, batch, spec, rotary, layout);
  }

  /**
   * Attention of queries over keys and values, each part of any packed product (of queries
   * [B*T,..], of keys and values [B*S,..]).
   *
   * @param layout which keys are seen; null for all
   * @return [B*T, H D]
   */
  public static Tensor of(
      Tape t,
      Part qPart,
      Part kPart,
      Part vPart,
      int batch,
      Spec spec,
      @Nullable Rotary rotary,
      BlockLayout.@Nullable Tensors layout) {
    Tensor q = qPart.view(batch, spec.headDim);
    Tensor k = kPart.view(batch, spec.headDim);
    Tensor v = vPart.view(batch, spec.headDim);
    if (rotary != null) {
      rotary.apply(t, q, false);
      rotary.apply(t, k, false);
    }
    Tensor out = t.tensor(q.dtype(), batch * q.dim(2), (long) spec.heads * spec.headDim);
    Tensor o = heads(out, batch, 0, spec.heads, spec.headDim);
    Tensor lse = t.tensor(DType.F32, batch, spec.heads, q.dim(2));
    float dropout = t.training() ? spec.dropout : 0;
    long offset = dropout > 0 ? t.randomness().nextOffset() : 0;
    Params.Attention params =
        new Params.Attention(t.randomness().seed(), offset, spec.scale, spec.softcap, dropout);
    Tensor added = dropout > 0 ? t.randomness().added() : null;
    forward(t, params, q, k, v, layout, spec.slopes, added, o, lse);
    if (t.wants(qPart.packed, kPart.packed, vPart.packed)) {
      t.record(
          () -> {
            Tensor dout = t.gradient(out);
            if (dout != null) {
              PartGradients d = new PartGradients(t, batch, spec.headDim, qPart, kPart, vPart);
              Tensor dq = d.of(qPart);
              Tensor dk = d.of(kPart);
              Tensor grad = heads(dout, batch, 0, spec.heads, spec.headDim);
              Gradients all = new Gradients(dq, dk, d.of(vPart));
              backward(t, params, q, k, v, o, lse, grad, layout, spec.slopes, added, all);
              if (rotary != null) {
                rotary.apply(t, dq, true);
                rotary.apply(t, dk, true);
              }
              d.give();
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
    Params.Attention params = new Params.Attention(0, 0, spec.scale, spec.softcap, 0);
    forward(t, params, q, k, v, layout, spec.slopes, null, o, null);
    return out;
  }

  /**
   * One token's attention over cached keys, without gradient: its own key and value, [B,K,1,D]
   * each, go to the cache first. What differs from token to token lies in {@code places}, so that a
   * recording ({@link io.heddle.backend.Backend#capture}) serves all of them.
   *
   * @param q [B,H,1,D]
   * @param places i32 [B,3]: for each text the slot to write, and the first and the end of the
   *     slots that are seen
   * @param keys [B,K,S,D], values alike: the cache
   * @return [B, H D]
   */
  public static Tensor step(
      Tape t, Tensor q, Tensor k, Tensor v, Spec spec, Tensor places, Tensor keys, Tensor values) {
    Tensor out = t.tensor(q.dtype(), q.dim(0), (long) spec.heads * spec.headDim);
    Tensor o = heads(out, (int) q.dim(0), 0, spec.heads, spec.headDim);
    Params.Attention params = new Params.Attention(0, 0, spec.scale, spec.softcap, 0);
    t.run(OpCode.ATTENTION_STEP, params, q, k, v, places, spec.slopes, keys, values, o);
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

  private record Gradients(Tensor q, Tensor k, Tensor v) {}

  private static void forward(
      Tape t,
      Params.Attention params,
      Tensor q,
      Tensor k,
      Tensor v,
      BlockLayout.@Nullable Tensors layout,
      @Nullable Tensor slopes,
      @Nullable Tensor offset,
      Tensor o,
      @Nullable Tensor lse) {
    t.run(
        OpCode.ATTENTION_FWD,
        params,
        q,
        k,
        v,
        layout == null ? null : layout.rowPtr(),
        layout == null ? null : layout.rowBlocks(),
        layout == null ? null : layout.masks(),
        layout == null ? null : layout.headGroup(),
        slopes,
        offset,
        o,
        lse);
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
      @Nullable Tensor slopes,
      @Nullable Tensor offset,
      Gradients d) {
    t.run(
        OpCode.ATTENTION_BWD,
        params,
        q,
        k,
        v,
        o,
        lse,
        grad,
        layout == null ? null : layout.rowPtr(),
        layout == null ? null : layout.rowBlocks(),
        layout == null ? null : layout.colPtr(),
        layout == null ? null : layout.colBlocks(),
        layout == null ? null : layout.masks(),
        layout == null ? null : layout.headGroup(),
        slopes,
        offset,
        d.q,
        d.k,
        d.v);
  }
}
