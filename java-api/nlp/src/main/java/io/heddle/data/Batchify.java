package io.heddle.data;

import java.lang.reflect.Array;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Makes one batch of many samples.
 *
 * @param <T> a sample
 * @param <B> a batch
 */
@FunctionalInterface
public interface Batchify<T, B> {
  /** The batch of {@code samples}, of which there is at least one. */
  B of(List<? extends T> samples);

  /** Arrays of one shape, one above the other: [N, ...]. */
  static Batchify<NumberArray, NumberArray> stack() {
    return samples -> {
      NumberArray first = samples.getFirst();
      int size = Array.getLength(first.values());
      Object out = first.filled(Math.multiplyExact(size, samples.size()), 0);
      for (int i = 0; i < samples.size(); i++) {
        NumberArray each = samples.get(i);
        if (!Arrays.equals(each.shape(), first.shape())
            || each.values().getClass() != first.values().getClass()) {
          throw new IllegalArgumentException(
              "cannot stack " + each + " (sample " + i + ") on " + first);
        }
        System.arraycopy(each.values(), 0, out, i * size, size);
      }
      int[] shape = new int[first.shape().length + 1];
      shape[0] = samples.size();
      System.arraycopy(first.shape(), 0, shape, 1, first.shape().length);
      return new NumberArray(out, shape);
    };
  }

  /** Pads the first axis of each sample to the longest one; see {@link Pad}. */
  static Pad pad(double value) {
    return new Pad(0, value, 1);
  }

  /** Samples as they are. */
  static <T> Batchify<T, List<T>> list() {
    return List::copyOf;
  }

  /** Samples of several fields: the batch of each field by its own rule. */
  static Batchify<List<?>, List<Object>> tuple(List<? extends Batchify<?, ?>> fields) {
    return samples -> {
      List<Object> out = new ArrayList<>();
      for (int f = 0; f < fields.size(); f++) {
        List<Object> column = new ArrayList<>();
        for (int i = 0; i < samples.size(); i++) {
          if (samples.get(i).size() != fields.size()) {
            throw new IllegalArgumentException(
                "sample "
                    + i
                    + " has "
                    + samples.get(i).size()
                    + " fields; "
                    + fields.size()
                    + " are batched");
          }
          column.add(samples.get(i).get(f));
        }
        out.add(apply(fields.get(f), column));
      }
      return out;
    };
  }

  /**
   * Samples of named fields; every sample must have each of {@code fields}, others are left out.
   */
  static Batchify<Map<String, ?>, Map<String, Object>> named(
      Map<String, ? extends Batchify<?, ?>> fields) {
    return samples -> {
      Map<String, Object> out = new LinkedHashMap<>();
      fields.forEach(
          (name, rule) -> {
            List<Object> column = new ArrayList<>();
            for (int i = 0; i < samples.size(); i++) {
              Object value = samples.get(i).get(name);
              if (value == null) {
                Set<String> there = samples.get(i).keySet();
                throw new IllegalArgumentException(
                    "sample " + i + " has no field '" + name + "', only " + there);
              }
              column.add(value);
            }
            out.put(name, apply(rule, column));
          });
      return out;
    };
  }

  // What a field holds is known to the caller alone; a wrong rule is a ClassCastException that
  // names both types.
  @SuppressWarnings("unchecked")
  private static Object apply(Batchify<?, ?> rule, List<Object> column) {
    return ((Batchify<Object, Object>) rule).of(column);
  }
}
