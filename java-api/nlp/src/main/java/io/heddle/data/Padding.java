package io.heddle.data;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * What batches cost in padding, each filled up to its longest sample.
 *
 * @param batches number of batches
 * @param tokens real tokens
 * @param cells tokens and padding
 */
public record Padding(int batches, long tokens, long cells) {
  /** Measures the first epoch of a sampler over samples of these lengths. */
  public static Padding of(int[] lengths, BatchSampler sampler) {
    long tokens = 0;
    long cells = 0;
    List<int[]> batches = sampler.epoch(0);
    for (int[] batch : batches) {
      int longest = 0;
      for (int sample : batch) {
        tokens += lengths[sample];
        longest = Math.max(longest, lengths[sample]);
      }
      cells += (long) longest * batch.length;
    }
    return new Padding(batches.size(), tokens, cells);
  }

  /** Padding as a part of all cells, from 0 to 1. */
  public double share() {
    return (double) (cells - tokens) / cells;
  }

  /** Padding as a multiple of the real tokens. */
  public double overhead() {
    return (double) (cells - tokens) / tokens;
  }

  /**
   * The padding of random batches, of each bucket scheme and ratio, and of sorted chunks.
   *
   * @param buckets number of buckets of the fixed ones
   */
  public static Map<String, Padding> compare(int[] lengths, int batch, int buckets, long seed) {
    Map<String, BucketScheme> schemes = new LinkedHashMap<>();
    schemes.put("constant", BucketScheme.constant());
    schemes.put("linear", BucketScheme.linear());
    schemes.put("exponential 1.1", BucketScheme.exponential(1.1));
    Map<String, Padding> out = new LinkedHashMap<>();
    out.put("random", of(lengths, Samplers.unsorted(lengths.length, batch, seed)));
    schemes.forEach(
        (name, scheme) -> {
          for (double ratio : new double[] {0, 0.5, 0.7}) {
            FixedBucketSampler.Options options =
                FixedBucketSampler.Options.of(batch)
                    .scheme(buckets, scheme)
                    .ratio(ratio)
                    .shuffled(seed);
            out.put(
                name + (ratio > 0 ? ", ratio " + ratio : ""),
                of(lengths, new FixedBucketSampler(lengths, options)));
          }
        });
    out.put(
        "sorted chunks",
        of(lengths, new SortedBucketSampler(lengths, batch, 100, true, true, seed)));
    return out;
  }

  /** {@link #compare} as a table. */
  public static String report(int[] lengths, int batch, int buckets, long seed) {
    StringBuilder out = new StringBuilder();
    out.append(
        String.format(
            Locale.ROOT,
            "%-24s %8s %9s %9s%n",
            "batches of " + batch,
            "batches",
            "padding",
            "per token"));
    compare(lengths, batch, buckets, seed)
        .forEach(
            (name, p) ->
                out.append(
                    String.format(
                        Locale.ROOT,
                        "%-24s %8d %8.1f%% %9.3f%n",
                        name,
                        p.batches,
                        100 * p.share(),
                        p.overhead())));
    return out.toString();
  }
}
