package io.heddle.models;

import io.heddle.tensor.DType;

/**
 * How a model is loaded.
 *
 * @param dtype element type to run in; the files may hold any float type
 * @param partial heads may be missing (they start at random), and the files may hold more than the
 *     model
 * @param int8 the linear layers of blocks keep eight bits of each weight, for inference alone
 */
public record Loading(DType dtype, boolean partial, boolean int8) {
  /** All of the model, in an element type. */
  public static Loading as(DType dtype) {
    return new Loading(dtype, false, false);
  }

  /** The same with {@link #partial} as said. */
  public Loading partly(boolean wanted) {
    return new Loading(dtype, wanted, int8);
  }

  /** The same with {@link #int8} as said. */
  public Loading inEightBits(boolean wanted) {
    return new Loading(dtype, partial, wanted);
  }
}
