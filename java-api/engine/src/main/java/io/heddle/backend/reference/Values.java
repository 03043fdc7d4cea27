package io.heddle.backend.reference;

import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * What the formulas share: rows of the last dimension, and sums that are added to or overwritten.
 */
final class Values {
  private Values() {}

  /** Size of the last dimension. */
  static int features(Tensor x) {
    return (int) x.dim(-1);
  }

  /** Number of rows of the last dimension. */
  static int rows(Tensor x) {
    return features(x) == 0 ? 0 : (int) (x.size() / features(x));
  }

  /** The numbers of a tensor, or zeros when it is absent. */
  static double[] orZeros(@Nullable Tensor x, int size) {
    return x == null ? new double[size] : x.toDoubles();
  }

  /** Writes {@code values}, added to what is there if {@code accumulate}. */
  static void store(@Nullable Tensor to, double[] values, boolean accumulate) {
    if (to == null) {
      return;
    }
    if (accumulate) {
      double[] old = to.toDoubles();
      for (int i = 0; i < values.length; i++) {
        values[i] += old[i];
      }
    }
    to.copyFrom(values);
  }

  /** {@code value} as {@code dtype} stores it. */
  static double rounded(double value, DType dtype) {
    return switch (dtype) {
      case F32 -> (float) value;
      case BF16 ->
          io.heddle.tensor.Elements.bf16ToFloat(io.heddle.tensor.Elements.doubleToBf16(value));
      case F16 -> Float.float16ToFloat(io.heddle.tensor.Elements.doubleToF16(value));
      default -> value;
    };
  }

  /** Refuses an operand of another size. */
  static void size(String name, Tensor x, long expected) {
    if (x.size() != expected) {
      throw new IllegalArgumentException(
          "'" + name + "' is " + x + ", expected " + expected + " elements");
    }
  }

  /** Refuses an id outside [0, limit). */
  static int id(String name, double[] ids, int i, long limit) {
    int id = (int) ids[i];
    if (id < 0 || id >= limit) {
      throw new IllegalArgumentException(
          "'" + name + "' has " + id + " at " + i + ", outside [0, " + limit + ")");
    }
    return id;
  }
}
