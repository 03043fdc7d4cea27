package io.heddle.checkpoint.merge;

import java.util.List;
import java.util.Map;

/**
 * What a method must know of the tensor it merges.
 *
 * @param name of the output tensor
 * @param shape of the output tensor
 * @param settings values of the method's settings for this tensor, defaults included
 * @param sources the same for each source, with its {@code weight}
 * @param hasBase whether there is a base
 * @param seed of the random methods
 * @param workers number of threads that observe and apply
 */
@SuppressWarnings("ArrayRecordComponent") // read only, inside the package
record Task(
    String name,
    long[] shape,
    Map<String, Double> settings,
    List<Map<String, Double>> sources,
    boolean hasBase,
    long seed,
    int workers) {

  /** Number of elements. */
  long elements() {
    long n = 1;
    for (long d : shape) {
      n *= d;
    }
    return n;
  }

  /** Number of sources. */
  int count() {
    return sources.size();
  }

  /** A setting of the tensor. */
  double get(String key) {
    Double value = settings.get(key);
    if (value == null) {
      throw new IllegalArgumentException(
          "tensor " + name + ": '" + key + "' is not set for it and has no default");
    }
    return value;
  }

  /** Whether a setting is not 0. */
  boolean is(String key) {
    return get(key) != 0;
  }

  /** A setting of a source. */
  double of(int source, String key) {
    Double value = sources.get(source).get(key);
    if (value == null) {
      throw new IllegalArgumentException(
          "tensor " + name + ": '" + key + "' of source " + (source + 1) + " is not set");
    }
    return value;
  }

  /** A setting of all sources. */
  double[] all(String key) {
    double[] out = new double[count()];
    for (int i = 0; i < out.length; i++) {
      out[i] = of(i, key);
    }
    return out;
  }

  /** Number of blocks of {@code length} elements. */
  int blocks(long length) {
    return Math.toIntExact((elements() + length - 1) / length);
  }
}
