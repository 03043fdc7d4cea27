package io.heddle.checkpoint;

import java.util.Arrays;
import java.util.Objects;

/**
 * One tensor of a file.
 *
 * @param name its name, unique in the file
 * @param type the element type
 * @param shape dimensions, outermost first; empty for a scalar
 * @param begin where its bytes begin, from the start of the file
 * @param end where its bytes end (exclusive), from the start of the file
 */
@SuppressWarnings("ArrayRecordComponent") // the array is copied on the way in and out
public record TensorEntry(String name, StorageType type, long[] shape, long begin, long end) {
  /** Copies the shape. */
  public TensorEntry {
    shape = shape.clone();
  }

  /** A copy of the shape. */
  @Override
  public long[] shape() {
    return shape.clone();
  }

  /** Size in the file, in bytes. */
  public long bytes() {
    return end - begin;
  }

  /** Number of elements. */
  public long elements() {
    long n = 1;
    for (long d : shape) {
      n *= d;
    }
    return n;
  }

  /** The same tensor, {@code by} bytes further on. */
  TensorEntry moved(long by) {
    return new TensorEntry(name, type, shape, Math.addExact(begin, by), Math.addExact(end, by));
  }

  /** Whether {@code other} has the same shape. */
  boolean sameShape(TensorEntry other) {
    return Arrays.equals(shape, other.shape);
  }

  @Override
  public boolean equals(Object o) {
    return o instanceof TensorEntry(String n, StorageType t, long[] s, long b, long e)
        && name.equals(n)
        && type == t
        && Arrays.equals(shape, s)
        && begin == b
        && end == e;
  }

  @Override
  public int hashCode() {
    return Objects.hash(name, type, Arrays.hashCode(shape), begin, end);
  }

  @Override
  public String toString() {
    return name + " " + type + " " + Arrays.toString(shape) + " [" + begin + ", " + end + ")";
  }
}
