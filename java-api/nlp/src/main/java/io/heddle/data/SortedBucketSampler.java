package io.heddle.data;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Batches from sorted chunks: samples are taken in chunks of {@code multiplier * batch}, each chunk
 * is sorted by length and cut into batches. Less padding than fixed buckets, and no choice of
 * buckets. GluonNLP's {@code SortedBucketSampler}.
 */
public final class SortedBucketSampler implements BatchSampler {
  private final int[] keys;
  private final int batch;
  private final int chunk;
  private final boolean descending;
  private final boolean shuffle;
  private final long seed;

  /**
   * A sampler.
   *
   * @param keys sort key of each sample, such as its length
   * @param batch samples of a batch; the last of a chunk may have fewer
   * @param multiplier batches of a chunk, GluonNLP's default is 100
   * @param descending the longest first
   * @param shuffle whether samples, and the batches of a chunk, come in another order each epoch
   */
  public SortedBucketSampler(
      int[] keys, int batch, double multiplier, boolean descending, boolean shuffle, long seed) {
    if (keys.length == 0 || batch < 1 || !(multiplier >= 1)) {
      throw new IllegalArgumentException(
          keys.length + " samples in batches of " + batch + " and chunks of " + multiplier);
    }
    this.keys = keys;
    this.batch = batch;
    this.chunk = (int) Math.min(multiplier * batch, keys.length);
    this.descending = descending;
    this.shuffle = shuffle;
    this.seed = seed;
  }

  @Override
  public int size() {
    int full = keys.length / chunk;
    return full * Math.ceilDiv(chunk, batch) + Math.ceilDiv(keys.length - full * chunk, batch);
  }

  @Override
  public List<int[]> epoch(long number) {
    Mix random = new Mix(Mix.hash(Mix.hash(seed) + number));
    int[] ids = new int[keys.length];
    Arrays.setAll(ids, i -> i);
    if (shuffle) {
      random.shuffle(ids);
    }
    List<int[]> out = new ArrayList<>();
    for (int first = 0; first < ids.length; first += chunk) {
      int[] part = Arrays.copyOfRange(ids, first, Math.min(first + chunk, ids.length));
      int[] sorted = sorted(part);
      int batches = Math.ceilDiv(sorted.length, batch);
      int[] order =
          shuffle ? random.order(batches) : java.util.stream.IntStream.range(0, batches).toArray();
      for (int b : order) {
        out.add(Arrays.copyOfRange(sorted, b * batch, Math.min((b + 1) * batch, sorted.length)));
      }
    }
    return out;
  }

  private int[] sorted(int[] part) {
    long[] values = new long[part.length];
    Arrays.setAll(values, i -> keys[part[i]]);
    return Arrays.stream(Samplers.sorted(values, descending)).map(i -> part[i]).toArray();
  }
}
