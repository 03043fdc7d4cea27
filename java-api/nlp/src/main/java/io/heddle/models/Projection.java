package io.heddle.models;

import io.heddle.autograd.Tape;
import io.heddle.nn.Modules;
import io.heddle.nn.Stack;
import io.heddle.nn.StackConfig.Heads;
import io.heddle.op.Attention;
import io.heddle.op.Layers;
import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * What one layer's attention begins with, without gradient: heads normed and turned to their
 * places.
 *
 * @param q queries [B,H,T,D]
 * @param fresh keys and values of the same tokens, [B,K,T,D] each
 */
record Projection(Tensor q, HeldKeys.Pair fresh) {
  /**
   * Projects the block's input.
   *
   * @param x [B*T, d]
   * @param positions i32 [T] or [B,T]
   */
  static Projection of(
      Tape t,
      Stack stack,
      Schedule schedule,
      int layer,
      Tensor x,
      int batch,
      @Nullable Tensor positions) {
    Tensor qkv = stack.linear(t, stack.name(layer, "qkv"), x);
    Heads h = stack.config().heads();
    Tensor q = Attention.heads(qkv, batch, 0, h.count(), h.dim());
    Tensor keys = Attention.heads(qkv, batch, h.count(), h.kv(), h.dim());
    Tensor values = Attention.heads(qkv, batch, h.count() + h.kv(), h.kv(), h.dim());
    if (h.qkNorm()) {
      q = normed(t, stack, stack.name(layer, "qnorm"), q);
      keys = normed(t, stack, stack.name(layer, "knorm"), keys);
    }
    boolean local = !schedule.key(layer).startsWith("full");
    Attention.Rotary rotary = positions == null ? null : stack.rotary(local, positions);
    if (rotary != null) {
      rotary.apply(t, q, false);
      rotary.apply(t, keys, false);
    }
    return new Projection(q, new HeldKeys.Pair(keys, values));
  }

  private static Tensor normed(Tape t, Stack stack, String name, Tensor heads) {
    Tensor flat = t.tensor(heads.dtype(), heads.size() / heads.dim(3), heads.dim(3));
    t.run(OpCode.COPY, new Params.None(), heads, flat.view(heads.shape()));
    float eps = stack.config().norms().eps();
    Layers.Normed y = Modules.norm(t, stack.parameters(), name, true, eps, 0, flat, null);
    return y.y().view(heads.shape());
  }
}
