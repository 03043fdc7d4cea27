package io.heddle.nn;

import io.heddle.autograd.Tape;
import io.heddle.tensor.Tensor;

/** How the tokens of a {@link Stack} see each other, and those of an encoder. */
public interface Attend {
  /**
   * The heads' outputs of self-attention.
   *
   * @param x the block's input [B*T, d]
   * @return [B*T, H D], before the output product
   */
  Tensor self(Tape t, int layer, Tensor x);

  /**
   * The heads' outputs of cross-attention.
   *
   * @param q queries [B*T, H D]
   * @return [B*T, H D], before the output product
   */
  default Tensor cross(Tape t, int layer, Tensor q) {
    throw new IllegalStateException("this stack has no encoder to attend to");
  }
}
