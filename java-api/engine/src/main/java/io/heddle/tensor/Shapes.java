package io.heddle.tensor;

import java.util.Arrays;

/** Arithmetic on shapes and strides (in elements, outermost first). */
public final class Shapes {
  private Shapes() {}

  /** Receives each element of a view. */
  @FunctionalInterface
  public interface Visitor {
    /**
     * One element.
     *
     * @param i its row-major number
     * @param at its position, in elements from the first one
     */
    void visit(long i, long at);
  }

  /** Number of elements; throws when it does not fit a long. */
  public static long size(long... shape) {
    long n = 1;
    for (long d : shape) {
      if (d < 0) {
        throw new IllegalArgumentException("negative dimension in " + Arrays.toString(shape));
      }
      n = Math.multiplyExact(n, d);
    }
    return n;
  }

  /** Row-major strides. */
  public static long[] contiguousStrides(long... shape) {
    long[] strides = new long[shape.length];
    long stride = 1;
    for (int d = shape.length - 1; d >= 0; d--) {
      strides[d] = stride;
      stride *= Math.max(shape[d], 1);
    }
    return strides;
  }

  /** Whether a view's elements lie in row-major order without gaps. */
  public static boolean isContiguous(long[] shape, long[] strides) {
    long stride = 1;
    for (int d = shape.length - 1; d >= 0; d--) {
      if (shape[d] == 0) {
        return true;
      }
      if (shape[d] != 1 && strides[d] != stride) {
        return false;
      }
      stride *= shape[d];
    }
    return true;
  }

  /**
   * Elements from the first one of a view to its last one, gaps among them; strides are not
   * negative.
   */
  public static long span(long[] shape, long[] strides) {
    long last = 0;
    for (int d = 0; d < shape.length; d++) {
      if (shape[d] == 0) {
        return 0;
      }
      last += (shape[d] - 1) * strides[d];
    }
    return last + 1;
  }

  /** Replaces one -1 by what makes the shape hold {@code size} elements. */
  public static long[] resolve(long[] shape, long size) {
    long[] out = shape.clone();
    int open = -1;
    long known = 1;
    for (int d = 0; d < out.length; d++) {
      if (out[d] == -1 && open < 0) {
        open = d;
      } else {
        known *= out[d];
      }
    }
    if (open >= 0) {
      out[open] = known == 0 ? 0 : size / known;
    }
    if (size(out) != size) {
      throw new IllegalArgumentException(
          "shape " + Arrays.toString(shape) + " does not hold " + size + " elements");
    }
    return out;
  }

  /** The common shape of two operands under broadcasting. */
  public static long[] broadcast(long[] a, long[] b) {
    long[] out = new long[Math.max(a.length, b.length)];
    for (int d = 1; d <= out.length; d++) {
      long x = d <= a.length ? a[a.length - d] : 1;
      long y = d <= b.length ? b[b.length - d] : 1;
      if (x != y && x != 1 && y != 1) {
        throw new IllegalArgumentException(
            "shapes " + Arrays.toString(a) + " and " + Arrays.toString(b) + " do not go together");
      }
      out[out.length - d] = x == 1 ? y : x;
    }
    return out;
  }

  /** Visits every element of a view in row-major order. */
  public static void forEach(long[] shape, long[] strides, Visitor visitor) {
    long n = size(shape);
    long[] index = new long[shape.length];
    long at = 0;
    for (long i = 0; i < n; i++) {
      visitor.visit(i, at);
      for (int d = shape.length - 1; d >= 0; d--) {
        at += strides[d];
        if (++index[d] < shape[d]) {
          break;
        }
        at -= strides[d] * shape[d];
        index[d] = 0;
      }
    }
  }
}
