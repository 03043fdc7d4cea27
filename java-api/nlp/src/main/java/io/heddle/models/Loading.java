package io.heddle.models;

import io.heddle.tensor.DType;

/**
 * How a model is loaded.
 *
 * @param dtype element type to run in; the files may hold any float type
 * @param partial heads may be missing (they start at random), and the files may hold more than the
 *     model
 * @param int8 the linear layers of blocks keep eight bits of each weight, for inference alone
 * @param mapped parameters that lie in a file as they are wanted (type, order and all rows), on a
 *     backend that computes in host memory, are read there without a copy, until they are trained;
 *     the file must not change while the model is open
 */
public record Loading(DType dtype, boolean partial, boolean int8, boolean mapped) {
  /** All of the model, in an element type. */
  public static Loading as(DType dtype) {
    return new Loading(dtype, false, false, false);
  }

  /** The same with {@link #partial} as said. */
  public Loading partly(boolean wanted) {
    return new Loading(dtype, wanted, int8, mapped);
  }

  /** The same with {@link #int8} as said. */
  public Loading inEightBits(boolean wanted) {
    return new Loading(dtype, partial, wanted, mapped);
  }

  /** The same with {@link #mapped} as said. */
  public Loading mapped(boolean wanted) {
    return new Loading(dtype, partial, int8, wanted);
  }
}
