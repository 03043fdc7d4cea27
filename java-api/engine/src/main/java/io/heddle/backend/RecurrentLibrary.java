package io.heddle.backend;

import io.heddle.op.Params;
import io.heddle.tensor.Scope;
import io.heddle.tensor.Tensor;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Whole recurrent layers as a library forms them, the product with the inputs included: one
 * direction of one layer, T steps of B rows. What they compute is {@code recurrent_fwd} of {@code
 * ops.def} over {@code gates = x W_x^T + b_x}. All tensors are of one float type.
 */
public interface RecurrentLibrary {
  /**
   * The weights of a layer, or their gradients; contiguous.
   *
   * @param input W_x [G F, I]
   * @param inputBias b_x [G F]
   * @param hidden W_h [G F, F]
   * @param hiddenBias of a GRU b_h [3F]; of an LSTM null, as its two biases are summed
   */
  record Weights(Tensor input, Tensor inputBias, Tensor hidden, @Nullable Tensor hiddenBias) {}

  /**
   * Outputs and cells of a step, or their gradients, [B, F] each.
   *
   * @param h null: 0, or not wanted
   * @param c likewise; of a GRU null
   */
  record State(@Nullable Tensor h, @Nullable Tensor c) {}

  /**
   * Runs a layer.
   *
   * @param x [T, B, I]
   * @param lengths steps of each row, 1 to T, only for layers that are not in reverse: beyond them
   *     y is 0, and {@code after} is the state at each row's end; null: all rows have T
   * @param before the first step
   * @param y [T, B, F], written
   * @param after the last step, written
   * @param keep where to keep what {@link #backward} needs; null for nothing
   * @return what is kept, to be handed on as it is
   * @throws UnsupportedOperationException when the library cannot be had, naming what was looked
   *     for
   */
  List<Tensor> forward(
      Params.Recurrent params,
      Tensor x,
      int @Nullable [] lengths,
      Weights weights,
      State before,
      Tensor y,
      State after,
      @Nullable Scope keep);

  /**
   * The gradients, all of them written, none added to.
   *
   * @param lengths as in {@link #forward}: beyond them dy does not count, and dx is 0
   * @param kept by {@link #forward}
   * @param dy of y; later: of the state after the last step
   * @param dx of x
   * @param dbefore of the state before the first step
   */
  void backward(
      Params.Recurrent params,
      Tensor x,
      int @Nullable [] lengths,
      State before,
      Tensor y,
      List<Tensor> kept,
      Tensor dy,
      State later,
      Tensor dx,
      Weights dweights,
      State dbefore);
}
