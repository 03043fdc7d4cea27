package io.heddle.data;

import java.util.Arrays;
import java.util.List;

/**
 * Pads one axis of each sample to the longest of the batch, GluonNLP's {@code Pad}. The other axes
 * must agree. There is no default value: whoever pads with 0 says so.
 *
 * @param axis of a sample, 0 the outermost
 * @param value what is filled in, rounded towards zero for integers
 * @param multiple the padded length is a multiple of this (tensor cores want 8)
 */
public record Pad(int axis, double value, int multiple)
    implements Batchify<NumberArray, NumberArray> {
  /** Checks the values. */
  public Pad {
    if (axis < 0 || multiple < 1) {
      throw new IllegalArgumentException("axis " + axis + ", multiple " + multiple);
    }
  }

  /** The same along another axis. */
  public Pad along(int other) {
    return new Pad(other, value, multiple);
  }

  /** The same to lengths that {@code number} divides. */
  public Pad roundTo(int number) {
    return new Pad(axis, value, number);
  }

  /**
   * A padded batch with the samples' own lengths.
   *
   * @param data [N, ...]
   * @param lengths int [N], before padding
   */
  public record Padded(NumberArray data, NumberArray lengths) {}

  /** Batches that carry the samples' lengths. */
  public Batchify<NumberArray, Padded> withLengths() {
    return samples -> {
      int[] lengths = samples.stream().mapToInt(s -> s.shape()[axis]).toArray();
      return new Padded(of(samples), NumberArray.of(lengths));
    };
  }

  @Override
  public NumberArray of(List<? extends NumberArray> samples) {
    NumberArray first = samples.getFirst();
    int longest = 0;
    for (int i = 0; i < samples.size(); i++) {
      check(first, samples.get(i), i);
      longest = Math.max(longest, samples.get(i).shape()[axis]);
    }
    longest = Math.ceilDiv(longest, multiple) * multiple;
    int outer = product(first.shape(), 0, axis);
    int inner = product(first.shape(), axis + 1, first.shape().length);
    int size = Math.multiplyExact(Math.multiplyExact(outer, inner), longest);
    Object out = first.filled(Math.multiplyExact(size, samples.size()), value);
    for (int i = 0; i < samples.size(); i++) {
      int run = samples.get(i).shape()[axis] * inner;
      for (int o = 0; o < outer; o++) {
        int to = i * size + o * longest * inner;
        System.arraycopy(samples.get(i).values(), o * run, out, to, run);
      }
    }
    int[] shape = new int[first.shape().length + 1];
    shape[0] = samples.size();
    System.arraycopy(first.shape(), 0, shape, 1, first.shape().length);
    shape[axis + 1] = longest;
    return new NumberArray(out, shape);
  }

  private void check(NumberArray first, NumberArray sample, int number) {
    int[] shape = sample.shape().clone();
    boolean same =
        shape.length == first.shape().length
            && axis < shape.length
            && sample.values().getClass() == first.values().getClass();
    if (same) {
      shape[axis] = first.shape()[axis];
      same = Arrays.equals(shape, first.shape());
    }
    if (!same) {
      throw new IllegalArgumentException(
          "cannot pad "
              + sample
              + " (sample "
              + number
              + ") beside "
              + first
              + " along axis "
              + axis);
    }
  }

  private static int product(int[] shape, int from, int to) {
    int out = 1;
    for (int i = from; i < to; i++) {
      out = Math.multiplyExact(out, shape[i]);
    }
    return out;
  }
}
