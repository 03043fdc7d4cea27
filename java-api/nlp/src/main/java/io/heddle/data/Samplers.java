package io.heddle.data;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;

/** Orders and parts of a data set's indices. */
public final class Samplers {
  private Samplers() {}

  /**
   * Indices in the order of their keys; equal ones stay in their order (GluonNLP's {@code
   * SortedSampler}, whose default is descending).
   */
  public static int[] sorted(long[] keys, boolean descending) {
    Comparator<Integer> order = Comparator.comparingLong(i -> keys[i]);
    return IntStream.range(0, keys.length)
        .boxed()
        .sorted(descending ? order.reversed() : order)
        .mapToInt(i -> i)
        .toArray();
  }

  /** A random order that depends on seed and epoch alone. */
  public static int[] random(int length, long seed, long epoch) {
    return new Mix(Mix.hash(Mix.hash(seed) + epoch)).order(length);
  }

  /**
   * The indices of one part of a data set, in random order (GluonNLP's {@code SplitSampler}): parts
   * are contiguous, and the first ones have one index more where the length does not divide.
   *
   * @param evenSize parts of one size, rounded up: the last ones are filled with random indices of
   *     the whole
   * @param shuffle whether the part is shuffled, another way each epoch
   */
  public static int[] part(
      int length, int parts, int part, boolean evenSize, boolean shuffle, long seed, long epoch) {
    if (parts < 1 || part < 0 || part >= parts || length < parts) {
      throw new IllegalArgumentException(
          "part " + part + " of " + parts + " of " + length + " samples does not exist");
    }
    int size = evenSize ? Math.ceilDiv(length, parts) : length / parts;
    int rest = evenSize ? 0 : length % parts;
    int from = Math.min(size * part + Math.min(part, rest), length);
    int to = Math.min(from + size + (part < rest ? 1 : 0), length);
    Mix random = new Mix(Mix.hash(Mix.hash(seed) + epoch * parts + part));
    int missing = evenSize ? size - (to - from) : 0;
    int[] extra = Arrays.copyOf(random.order(missing > 0 ? length : 0), missing);
    int[] out = IntStream.concat(IntStream.range(from, to), Arrays.stream(extra)).toArray();
    if (shuffle) {
      random.shuffle(out);
    }
    return out;
  }

  /**
   * Batches of samples in random order, whatever their lengths: what bucketing is compared with.
   */
  public static BatchSampler unsorted(int length, int batch, long seed) {
    return new BatchSampler() {
      @Override
      public int size() {
        return Math.ceilDiv(length, batch);
      }

      @Override
      public List<int[]> epoch(long number) {
        int[] order = random(length, seed, number);
        List<int[]> out = new ArrayList<>();
        for (int at = 0; at < length; at += batch) {
          out.add(Arrays.copyOfRange(order, at, Math.min(at + batch, length)));
        }
        return out;
      }
    };
  }
}
