package io.heddle.methods.finetune;

import io.heddle.data.SortedBucketSampler;
import io.heddle.models.Encoder;
import io.heddle.text.PairEncoder.Row;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Rows in batches of about one length, padded. The batches of an epoch are a function of the seed
 * and the epoch.
 */
final class RowBatches {
  // Batches from which rows of one length are picked: more wastes less padding, fewer mix more.
  private static final int CHUNK = 50;

  private final List<Row> rows;
  private final int size;
  private final SortedBucketSampler sampler;
  private final int padding;
  private long epoch = -1;
  private List<int[]> batches = List.of();

  /**
   * Batches of {@code size} rows.
   *
   * @param padding id of the padding token
   */
  RowBatches(List<Row> rows, int size, int padding, long seed) {
    int[] lengths = rows.stream().mapToInt(Row::length).toArray();
    this.rows = rows;
    this.size = size;
    this.padding = padding;
    this.sampler = new SortedBucketSampler(lengths, size, CHUNK, false, true, seed);
  }

  /** Batches of an epoch. */
  int perEpoch() {
    return sampler.size();
  }

  /** The rows of batch {@code number}, counted over all epochs. */
  int[] batch(long number) {
    long wanted = number / perEpoch();
    if (wanted != epoch) {
      batches = sampler.epoch(wanted);
      epoch = wanted;
    }
    return batches.get((int) (number % perEpoch()));
  }

  /** All rows once, the shortest first. */
  List<int[]> all() {
    int[] order =
        IntStream.range(0, rows.size())
            .boxed()
            .sorted((a, b) -> Integer.compare(rows.get(a).length(), rows.get(b).length()))
            .mapToInt(i -> i)
            .toArray();
    List<int[]> out = new ArrayList<>();
    for (int from = 0; from < order.length; from += size) {
      out.add(Arrays.copyOfRange(order, from, Math.min(from + size, order.length)));
    }
    return out;
  }

  /** The padded tokens of some rows. */
  Encoder.Batch padded(int[] indices) {
    int longest = 1;
    for (int i : indices) {
      longest = Math.max(longest, rows.get(i).length());
    }
    int[][] ids = new int[indices.length][longest];
    int[][] mask = new int[indices.length][longest];
    int[][] types = new int[indices.length][longest];
    for (int b = 0; b < indices.length; b++) {
      Row row = rows.get(indices[b]);
      Arrays.fill(ids[b], row.length(), longest, padding);
      System.arraycopy(row.ids(), 0, ids[b], 0, row.length());
      Arrays.fill(mask[b], 0, row.length(), 1);
      System.arraycopy(row.types(), 0, types[b], 0, row.length());
    }
    return new Encoder.Batch(ids, mask, types, null);
  }
}
