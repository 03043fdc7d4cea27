package io.heddle.data;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Batches of samples of about one length: each sample belongs to the smallest bucket that it fits,
 * and a batch holds samples of one bucket. Batches are listed from the longest bucket down, so that
 * too long ones show at once; the last batch of a bucket may be short. GluonNLP's {@code
 * FixedBucketSampler}.
 */
public final class FixedBucketSampler implements BatchSampler {
  private static final int[][] NO_KEYS = {};

  private final Options options;
  private final int[][] lengths;
  private final int[][] keys; // sorted, used ones only
  private final int[][] emptyKeys;
  private final int[][] members;
  private final int[] sizes;
  private final List<int[]> batches = new ArrayList<>(); // {bucket, first member}

  /**
   * How to cut batches.
   *
   * @param batch samples of a batch, B; with {@code averageLength} tokens of a batch
   * @param buckets number of buckets; ignored with {@code keys}
   * @param scheme where their borders lie; ignored with {@code keys}
   * @param keys the longest lengths of each bucket, one number per field; none to use the scheme
   * @param ratio bucket i has {@code max(ratio B max|K| / |K_i|, B)} samples, |K| the sum of a key;
   *     0 for B everywhere
   * @param averageLength whether B counts tokens: {@code max(B / (mean + deviation), 1)} samples
   * @param shards batches of a step, one per device; 0 for none
   * @param shuffle whether batches, and the members of each bucket, change places every epoch
   * @param seed of the order
   */
  @SuppressWarnings("ArrayRecordComponent") // settings, never compared
  public record Options(
      int batch,
      int buckets,
      BucketScheme scheme,
      int[][] keys,
      double ratio,
      boolean averageLength,
      int shards,
      boolean shuffle,
      long seed) {
    /** Checks the values. */
    public Options {
      if (batch < 1 || buckets < 1 || shards < 0 || !(ratio >= 0)) {
        throw new IllegalArgumentException(
            "batch "
                + batch
                + " and buckets "
                + buckets
                + " must be positive, ratio "
                + ratio
                + " and shards "
                + shards
                + " not negative");
      }
      if (averageLength && ratio > 0) {
        throw new IllegalArgumentException(
            "ratio " + ratio + " has no effect when a batch is measured in tokens");
      }
    }

    /** Ten buckets of one width, in order. */
    public static Options of(int batch) {
      return new Options(batch, 10, BucketScheme.constant(), NO_KEYS, 0, false, 0, false, 0);
    }

    /** Other buckets. */
    public Options scheme(int count, BucketScheme other) {
      return new Options(batch, count, other, NO_KEYS, ratio, averageLength, shards, shuffle, seed);
    }

    /** Given buckets. */
    public Options keys(int[]... given) {
      return new Options(
          batch, buckets, scheme, given, ratio, averageLength, shards, shuffle, seed);
    }

    /** More samples in shorter buckets. */
    public Options ratio(double value) {
      return new Options(batch, buckets, scheme, keys, value, averageLength, shards, shuffle, seed);
    }

    /** Batches measured in tokens. */
    public Options inTokens() {
      return new Options(batch, buckets, scheme, keys, ratio, true, shards, shuffle, seed);
    }

    /** Several batches a step. */
    public Options shards(int count) {
      return new Options(batch, buckets, scheme, keys, ratio, averageLength, count, shuffle, seed);
    }

    /** Another order each epoch. */
    public Options shuffled(long value) {
      return new Options(batch, buckets, scheme, keys, ratio, averageLength, shards, true, value);
    }
  }

  /** Samples of one field each. */
  public FixedBucketSampler(int[] lengths, Options options) {
    this(Arrays.stream(lengths).mapToObj(n -> new int[] {n}).toArray(int[][]::new), options);
  }

  /**
   * Samples of several fields, such as source and target.
   *
   * @param lengths [samples][fields], all positive
   */
  public FixedBucketSampler(int[][] lengths, Options options) {
    check(lengths);
    this.options = options;
    this.lengths = lengths;
    int[][] all = options.keys.length == 0 ? keys(lengths, options) : options.keys.clone();
    Arrays.sort(all, Arrays::compare);
    all = distinct(all);
    List<List<Integer>> found = new ArrayList<>();
    for (int[] key : all) {
      if (key.length != lengths[0].length) {
        throw new IllegalArgumentException(
            "bucket " + Arrays.toString(key) + " for samples of " + lengths[0].length + " fields");
      }
      found.add(new ArrayList<>());
    }
    for (int i = 0; i < lengths.length; i++) {
      found.get(smallest(all, lengths[i], i)).add(i);
    }
    int[][] sorted = all;
    int[] used = range(all.length).filter(b -> !found.get(b).isEmpty()).toArray();
    this.keys = Arrays.stream(used).mapToObj(b -> sorted[b]).toArray(int[][]::new);
    this.emptyKeys =
        range(all.length)
            .filter(b -> found.get(b).isEmpty())
            .mapToObj(b -> sorted[b])
            .toArray(int[][]::new);
    this.members =
        Arrays.stream(used)
            .mapToObj(b -> found.get(b).stream().mapToInt(i -> i).toArray())
            .toArray(int[][]::new);
    this.sizes = range(keys.length).map(this::batchSize).toArray();
    for (int b = keys.length - 1; b >= 0; b--) {
      for (int first = 0; first < members[b].length; first += sizes[b]) {
        batches.add(new int[] {b, first});
      }
    }
    if (options.shards > batches.size()) {
      throw new IllegalArgumentException(
          options.shards + " shards, but only " + batches.size() + " batches");
    }
  }

  private static java.util.stream.IntStream range(int n) {
    return java.util.stream.IntStream.range(0, n);
  }

  private static void check(int[][] lengths) {
    if (lengths.length == 0) {
      throw new IllegalArgumentException("no samples to put in buckets");
    }
    for (int i = 0; i < lengths.length; i++) {
      if (lengths[i].length != lengths[0].length
          || Arrays.stream(lengths[i]).anyMatch(n -> n < 1)) {
        throw new IllegalArgumentException(
            "sample "
                + i
                + " has lengths "
                + Arrays.toString(lengths[i])
                + "; every sample needs "
                + lengths[0].length
                + " of them, all positive");
      }
    }
  }

  private static int[][] keys(int[][] lengths, Options o) {
    int[][] out = new int[o.buckets][lengths[0].length];
    for (int f = 0; f < lengths[0].length; f++) {
      int field = f;
      int min = Arrays.stream(lengths).mapToInt(n -> n[field]).min().orElseThrow();
      int max = Arrays.stream(lengths).mapToInt(n -> n[field]).max().orElseThrow();
      int[] keys = o.scheme.keys(min, max, o.buckets);
      for (int b = 0; b < o.buckets; b++) {
        out[b][f] = keys[b];
      }
    }
    return out;
  }

  private static int[][] distinct(int[][] sorted) {
    List<int[]> out = new ArrayList<>();
    for (int[] key : sorted) {
      if (out.isEmpty() || !Arrays.equals(out.getLast(), key)) {
        out.add(key);
      }
    }
    return out.toArray(int[][]::new);
  }

  // Every field fits; the least padding; the first of equal ones.
  private static int smallest(int[][] keys, int[] length, int sample) {
    int best = -1;
    long least = Long.MAX_VALUE;
    for (int b = 0; b < keys.length; b++) {
      long padding = 0;
      boolean fits = true;
      for (int f = 0; f < length.length; f++) {
        fits &= keys[b][f] >= length[f];
        padding += keys[b][f] - length[f];
      }
      if (fits && padding < least) {
        best = b;
        least = padding;
      }
    }
    if (best < 0) {
      throw new IllegalArgumentException(
          "sample "
              + sample
              + " with lengths "
              + Arrays.toString(length)
              + " fits no bucket of "
              + Arrays.deepToString(keys));
    }
    return best;
  }

  private int batchSize(int bucket) {
    if (!options.averageLength) {
      long longest = Arrays.stream(keys).mapToLong(FixedBucketSampler::sum).max().orElseThrow();
      double scaled = longest / (double) sum(keys[bucket]) * options.ratio * options.batch;
      return Math.max((int) scaled, options.batch);
    }
    double[] all =
        Arrays.stream(members[bucket])
            .mapToObj(i -> lengths[i])
            .flatMapToInt(Arrays::stream)
            .asDoubleStream()
            .toArray();
    double mean = Arrays.stream(all).average().orElseThrow();
    double variance = Arrays.stream(all).map(x -> (x - mean) * (x - mean)).average().orElseThrow();
    return Math.max((int) (options.batch / (mean + Math.sqrt(variance))), 1);
  }

  private static long sum(int[] key) {
    return Arrays.stream(key).asLongStream().sum();
  }

  /** The keys of the buckets in use, sorted. */
  public int[][] keys() {
    return keys.clone();
  }

  /** Keys that no sample belongs to; their buckets are left out. */
  public int[][] emptyKeys() {
    return emptyKeys.clone();
  }

  /** Samples of a batch, by bucket. */
  public int[] batchSizes() {
    return sizes.clone();
  }

  /** Samples of each bucket. */
  public int[] counts() {
    return Arrays.stream(members).mapToInt(m -> m.length).toArray();
  }

  /** Number of batches, all shards together. */
  @Override
  public int size() {
    return batches.size();
  }

  @Override
  public List<int[]> epoch(long number) {
    int[][] order = members;
    List<int[]> all = batches;
    if (options.shuffle) {
      Mix random = new Mix(Mix.hash(Mix.hash(options.seed) + number));
      int[] places = random.order(batches.size());
      all = Arrays.stream(places).mapToObj(batches::get).toList();
      order = Arrays.stream(members).map(int[]::clone).toArray(int[][]::new);
      for (int[] bucket : order) {
        random.shuffle(bucket);
      }
    }
    List<int[]> out = new ArrayList<>(all.size());
    for (int[] at : all) {
      int end = Math.min(at[1] + sizes[at[0]], order[at[0]].length);
      out.add(Arrays.copyOfRange(order[at[0]], at[1], end));
    }
    return out;
  }

  /**
   * The batches of an epoch in steps of one batch per device. The last step goes back far enough to
   * be full, so that some batches are seen twice.
   */
  public List<List<int[]>> steps(long number) {
    if (options.shards == 0) {
      throw new IllegalStateException("this sampler was made without shards");
    }
    List<int[]> all = epoch(number);
    List<List<int[]>> out = new ArrayList<>();
    for (int first = 0; first < all.size(); first += options.shards) {
      int from = Math.min(first, all.size() - options.shards);
      out.add(List.copyOf(all.subList(from, from + options.shards)));
    }
    return out;
  }

  /** Keys, counts and batch sizes in GluonNLP's words. */
  public String stats() {
    boolean one = lengths[0].length == 1;
    String shown =
        one
            ? Arrays.toString(Arrays.stream(keys).mapToInt(k -> k[0]).toArray())
            : Arrays.deepToString(keys);
    return "FixedBucketSampler:\n  sample_num="
        + lengths.length
        + ", batch_num="
        + batches.size()
        + "\n  key="
        + shown
        + "\n  cnt="
        + Arrays.toString(counts())
        + "\n  batch_size="
        + Arrays.toString(sizes);
  }
}
