package io.heddle.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.heddle.data.FixedBucketSampler.Options;
import java.io.IOException;
import java.io.InputStream;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;

/**
 * Samplers against {@code batching.json}, which {@code make_batching.py} writes by the formulas.
 */
class BucketingTest {
  private static final Map<String, BucketScheme> SCHEMES =
      Map.of(
          "constant", BucketScheme.constant(),
          "linear", BucketScheme.linear(),
          "exponential 1.1", BucketScheme.exponential(1.1),
          "exponential 1.2", BucketScheme.exponential(1.2));

  private static BucketScheme scheme(JsonNode c) {
    return get(SCHEMES, c.path("scheme").asText());
  }

  private static <T> T get(Map<String, T> map, String key) {
    return Objects.requireNonNull(map.get(key), key);
  }

  static JsonNode golden() throws IOException {
    try (InputStream in = BucketingTest.class.getResourceAsStream("batching.json")) {
      return new ObjectMapper().readTree(in);
    }
  }

  static int[] ints(JsonNode list) {
    int[] out = new int[list.size()];
    Arrays.setAll(out, i -> list.get(i).asInt());
    return out;
  }

  static int[][] rows(JsonNode list) {
    int[][] out = new int[list.size()][];
    Arrays.setAll(out, i -> ints(list.get(i)));
    return out;
  }

  @Test
  void keysOfEveryScheme() throws IOException {
    int cases = 0;
    for (JsonNode c : golden().path("keys")) {
      int[] keys =
          scheme(c).keys(c.path("min").asInt(), c.path("max").asInt(), c.path("buckets").asInt());
      assertArrayEquals(ints(c.path("keys")), keys, c.toString());
      cases++;
    }
    assertEquals(24, cases);
  }

  @Test
  void membersSizesAndOrderOfBatches() throws IOException {
    JsonNode golden = golden();
    int cases = 0;
    for (JsonNode c : golden.path("buckets")) {
      Options options =
          Options.of(c.path("batch").asInt())
              .scheme(c.path("buckets").asInt(), scheme(c))
              .ratio(c.path("ratio").asDouble());
      int[][] lengths = rows(golden.path(c.path("lengths").asText()));
      FixedBucketSampler sampler =
          new FixedBucketSampler(
              lengths, c.path("tokens").asBoolean() ? options.inTokens() : options);
      String what = c.toString();
      assertArrayEquals(rows(c.path("keys")), sampler.keys(), what);
      assertArrayEquals(rows(c.path("empty")), sampler.emptyKeys(), what);
      assertArrayEquals(ints(c.path("sizes")), sampler.batchSizes(), what);
      assertArrayEquals(rows(c.path("batches")), sampler.epoch(3).toArray(int[][]::new), what);
      assertEquals(c.path("batches").size(), sampler.size());
      cases++;
    }
    assertEquals(32, cases);
  }

  // Lengths 1..4, batches of 2, buckets of 2 and 4: worked out by hand.
  @Test
  void byHand() {
    int[] lengths = {4, 1, 3, 2, 2, 4, 4};
    Options options = Options.of(2).keys(new int[] {4}, new int[] {2});
    FixedBucketSampler sampler = new FixedBucketSampler(lengths, options.ratio(0.75));
    // Bucket 2: max(0.75 * 2 * 4 / 2, 2) = 3 samples.
    assertArrayEquals(new int[] {3, 2}, sampler.batchSizes());
    assertEquals("[[0, 2], [5, 6], [1, 3, 4]]", Arrays.deepToString(sampler.epoch(0).toArray()));
    assertEquals(
        "FixedBucketSampler:\n  sample_num=7, batch_num=3\n  key=[2, 4]\n  cnt=[3, 4]\n"
            + "  batch_size=[3, 2]",
        sampler.stats());
    var e =
        assertThrows(
            IllegalArgumentException.class,
            () -> new FixedBucketSampler(new int[] {2, 5}, options));
    assertTrue(e.toString().contains("sample 1"), e.toString());
    assertThrows(
        IllegalArgumentException.class, () -> new FixedBucketSampler(new int[] {2, 0}, options));
    assertThrows(IllegalArgumentException.class, () -> options.ratio(0.5).inTokens());
    // A tie between (3,4) and (4,3) goes to the first key; (4,4) only where both are needed.
    int[][] pairs = {{3, 3}, {4, 4}, {2, 4}};
    FixedBucketSampler two =
        new FixedBucketSampler(
            pairs, Options.of(1).keys(new int[] {4, 3}, new int[] {3, 4}, new int[] {4, 4}));
    assertArrayEquals(new int[][] {{3, 4}, {4, 4}}, two.keys());
    assertArrayEquals(new int[][] {{4, 3}}, two.emptyKeys());
  }

  @Test
  void lastStepOfShardsGoesBack() {
    int[] lengths = {1, 1, 1, 1, 1};
    FixedBucketSampler sampler =
        new FixedBucketSampler(lengths, Options.of(1).scheme(1, BucketScheme.constant()).shards(2));
    List<String> steps =
        sampler.steps(0).stream().map(s -> Arrays.deepToString(s.toArray())).toList();
    assertEquals(List.of("[[0], [1]]", "[[2], [3]]", "[[3], [4]]"), steps);
    assertThrows(
        IllegalArgumentException.class,
        () -> new FixedBucketSampler(lengths, Options.of(5).shards(2)));
    FixedBucketSampler none = new FixedBucketSampler(lengths, Options.of(5));
    assertThrows(IllegalStateException.class, () -> none.steps(0));
  }

  @Test
  void shufflingIsAFunctionOfSeedAndEpoch() throws IOException {
    int[][] lengths = rows(golden().path("one"));
    Options options = Options.of(4).shuffled(7);
    FixedBucketSampler sampler = new FixedBucketSampler(lengths, options);
    String first = Arrays.deepToString(sampler.epoch(1).toArray());
    assertEquals(
        first, Arrays.deepToString(new FixedBucketSampler(lengths, options).epoch(1).toArray()));
    assertNotEquals(first, Arrays.deepToString(sampler.epoch(2).toArray()));
    assertNotEquals(
        first,
        Arrays.deepToString(
            new FixedBucketSampler(lengths, options.shuffled(8)).epoch(1).toArray()));
    int[][] keys = sampler.keys();
    Set<Integer> seen = new HashSet<>();
    for (int[] batch : sampler.epoch(5)) {
      int longest = Arrays.stream(batch).map(i -> lengths[i][0]).max().orElseThrow();
      int shortest = Arrays.stream(batch).map(i -> lengths[i][0]).min().orElseThrow();
      long between = Arrays.stream(keys).filter(k -> k[0] >= shortest && k[0] < longest).count();
      assertEquals(0, between, "one bucket only");
      Arrays.stream(batch).forEach(i -> assertTrue(seen.add(i)));
    }
    assertEquals(lengths.length, seen.size());
  }

  @Test
  void sortedChunks() {
    int[] lengths = {5, 1, 4, 2, 3, 9, 7, 8};
    BatchSampler sampler = new SortedBucketSampler(lengths, 2, 2.5, true, false, 0);
    // Chunks of 5 and 3.
    assertEquals(
        "[[0, 2], [4, 3], [1], [5, 7], [6]]", Arrays.deepToString(sampler.epoch(0).toArray()));
    assertEquals(5, sampler.size());
    BatchSampler up = new SortedBucketSampler(lengths, 3, 100, false, false, 0);
    assertEquals("[[1, 3, 4], [2, 0, 6], [7, 5]]", Arrays.deepToString(up.epoch(0).toArray()));
    BatchSampler mixed = new SortedBucketSampler(lengths, 2, 2, true, true, 3);
    assertNotEquals(
        Arrays.deepToString(mixed.epoch(0).toArray()),
        Arrays.deepToString(mixed.epoch(1).toArray()));
    assertEquals(8, mixed.epoch(1).stream().flatMapToInt(Arrays::stream).distinct().count());
  }

  @Test
  void ordersAndParts() {
    long[] keys = {2, 3, 2, 1, 3};
    assertArrayEquals(new int[] {1, 4, 0, 2, 3}, Samplers.sorted(keys, true));
    assertArrayEquals(new int[] {3, 0, 2, 1, 4}, Samplers.sorted(keys, false));
    // 10 = 4 + 3 + 3, or three of 4.
    assertArrayEquals(new int[] {0, 1, 2, 3}, Samplers.part(10, 3, 0, false, false, 0, 0));
    assertArrayEquals(new int[] {7, 8, 9}, Samplers.part(10, 3, 2, false, false, 0, 0));
    int[] even = Samplers.part(10, 3, 2, true, false, 1, 0);
    assertEquals(4, even.length);
    assertArrayEquals(new int[] {8, 9}, Arrays.copyOf(even, 2));
    int[] shuffled = Samplers.part(1000, 4, 1, false, true, 5, 0);
    assertNotEquals(250, shuffled[0] + shuffled[1] - shuffled[2]);
    int[] sorted = shuffled.clone();
    Arrays.sort(sorted);
    assertArrayEquals(Samplers.part(1000, 4, 1, false, false, 0, 0), sorted);
    assertThrows(IllegalArgumentException.class, () -> Samplers.part(2, 3, 0, false, false, 0, 0));
  }

  // The method page's experiment: 20000 lengths, lognormal(5.2, 0.65) in 10..500, batches of 64.
  @Test
  void paddingOfEachSchemeIsWhatTheMethodPagePromises() {
    Random random = new Random(1);
    int[] lengths = new int[20_000];
    Arrays.setAll(
        lengths, i -> (int) Math.clamp(Math.exp(5.2 + 0.65 * random.nextGaussian()), 10.0, 500.0));
    Map<String, Padding> all = Padding.compare(lengths, 64, 10, 1);
    String table = Padding.report(lengths, 64, 10, 1);
    assertEquals(1.35, get(all, "random").overhead(), 0.1, table);
    for (String scheme : List.of("constant", "linear", "exponential 1.1")) {
      Padding plain = get(all, scheme);
      assertTrue(plain.overhead() > 0.08 && plain.overhead() < 0.14, table);
      assertEquals(plain.overhead(), get(all, scheme + ", ratio 0.7").overhead(), 0.02, table);
    }
    assertEquals(0.014, get(all, "sorted chunks").overhead(), 0.006, table);
    assertEquals(317, get(all, "constant").batches(), 3, table);
    assertEquals(244, get(all, "constant, ratio 0.5").batches(), 6, table);
    assertEquals(198, get(all, "constant, ratio 0.7").batches(), 6, table);
    assertEquals(12, table.lines().count());
    // 100 * padding / cells of a case by hand: [1, 3] and [2] hold 6 tokens in 8 cells.
    Padding byHand =
        Padding.of(
            new int[] {1, 3, 2},
            new FixedBucketSampler(new int[] {1, 3, 2}, Options.of(2).keys(new int[] {3})));
    assertEquals(new Padding(2, 6, 8), byHand);
    assertEquals(0.25, byHand.share());
    assertEquals(1.0 / 3, byHand.overhead());
  }
}
