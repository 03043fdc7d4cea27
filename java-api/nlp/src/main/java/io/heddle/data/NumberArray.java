package io.heddle.data;

import java.lang.reflect.Array;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Numbers in a shape, row by row: what batches are made of before they are copied to tensors.
 *
 * @param values an {@code int[]}, {@code long[]}, {@code float[]} or {@code double[]}; not copied
 * @param shape sizes, outermost first
 */
@SuppressWarnings("ArrayRecordComponent") // equality is by content, below
public record NumberArray(Object values, int... shape) {
  /** Checks type and size. */
  public NumberArray {
    boolean numbers =
        values instanceof int[]
            || values instanceof long[]
            || values instanceof float[]
            || values instanceof double[];
    if (!numbers) {
      throw new IllegalArgumentException(
          values.getClass().getSimpleName() + " holds no ints, longs, floats or doubles");
    }
    long size = Arrays.stream(shape).asLongStream().reduce(1, (a, b) -> a * b);
    if (size != Array.getLength(values)) {
      throw new IllegalArgumentException(
          Array.getLength(values) + " numbers for the shape " + Arrays.toString(shape));
    }
  }

  /** A row of ints. */
  public static NumberArray of(int... row) {
    return new NumberArray(row, row.length);
  }

  /** A row of floats. */
  public static NumberArray of(float... row) {
    return new NumberArray(row, row.length);
  }

  /** The numbers, if they are ints; not a copy. */
  public int[] ints() {
    return as(int[].class);
  }

  /** The numbers, if they are floats; not a copy. */
  public float[] floats() {
    return as(float[].class);
  }

  private <T> T as(Class<T> type) {
    if (!type.isInstance(values)) {
      throw new IllegalStateException(this + " is not " + type.getSimpleName());
    }
    return type.cast(values);
  }

  /** A new array of the same type filled with {@code value}. */
  Object filled(int size, double value) {
    Object out = Array.newInstance(values.getClass().getComponentType(), size);
    switch (out) {
      case int[] a -> Arrays.fill(a, (int) value);
      case long[] a -> Arrays.fill(a, (long) value);
      case float[] a -> Arrays.fill(a, (float) value);
      case double[] a -> Arrays.fill(a, value);
      default -> throw new AssertionError(out);
    }
    return out;
  }

  @Override
  public boolean equals(@Nullable Object other) {
    return other instanceof NumberArray a
        && Arrays.equals(shape, a.shape)
        && Arrays.deepEquals(new Object[] {values}, new Object[] {a.values});
  }

  @Override
  public int hashCode() {
    return 31 * Arrays.hashCode(shape) + Arrays.deepHashCode(new Object[] {values});
  }

  @Override
  public String toString() {
    return values.getClass().getSimpleName() + " of shape " + Arrays.toString(shape);
  }
}
