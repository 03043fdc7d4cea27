package io.heddle.methods.toolkit;

import io.heddle.data.BatchSampler;
import io.heddle.data.BpttBatch;
import io.heddle.data.BucketScheme;
import io.heddle.data.FixedBucketSampler;
import io.heddle.data.Padding;
import io.heddle.data.Samplers;
import io.heddle.data.SortedBucketSampler;
import io.heddle.methods.study.Claim;
import io.heddle.methods.study.Table;
import io.heddle.models.RecurrentLm;
import io.heddle.nn.RecurrentStack;
import io.heddle.op.Losses;
import io.heddle.progress.ProgressListener;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import io.heddle.train.Objective;
import io.heddle.train.TrainConfig;
import io.heddle.train.Trainer;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/** What padding costs, in cells and on the clock, by how batches are cut. */
final class Bucketing implements Experiment {
  private static final int SAMPLES = 20_000;
  private static final int BATCH = 64;
  private static final int BUCKETS = 10;
  private static final int WORDS = 50;
  private static final int FEATURES = 32;
  private static final int SLICES = 8;
  private static final String RANDOM = "random";
  private static final String FIXED = "constant";
  private static final String SORTED = "sorted chunks";

  private final boolean quick;
  private final int timed;

  Bucketing(boolean quick) {
    this.quick = quick;
    this.timed = quick ? 1_500 : 5_000;
  }

  @Override
  public String name() {
    return "bucketing";
  }

  @Override
  public String title() {
    return "What padding costs by how batches are cut";
  }

  @Override
  public long steps() {
    return SLICES;
  }

  // Seconds on the clock, and of them those in which the calling thread worked.
  private record Time(double clock, double processor) {
    Time plus(Time other) {
      return new Time(clock + other.clock, processor + other.processor);
    }

    double of(boolean device) {
      return device ? clock : processor;
    }
  }

  private static int[] lengths(long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    int[] out = new int[SAMPLES];
    Arrays.setAll(
        out, i -> Math.clamp(Math.round(Math.exp(5.2 + 0.65 * random.nextGaussian())), 10, 500));
    return out;
  }

  @Override
  public @Nullable Outcome run(Bench bench) {
    int[] lengths = lengths(bench.seed());
    Map<String, Padding> padding = Padding.compare(lengths, BATCH, BUCKETS, bench.seed());
    int[] some = Arrays.copyOf(lengths, timed);
    Map<String, List<int[]>> epochs = epochs(some, bench.seed());
    Map<String, Time> times = times(bench, some, epochs);
    if (times == null) {
      return null;
    }
    List<Claim> claims = new ArrayList<>(padded(padding));
    Map<String, Padding> cost = new LinkedHashMap<>();
    epochs.forEach((name, batches) -> cost.put(name, Padding.of(some, fixed(batches))));
    boolean device = bench.backend().name().equals("cuda");
    // A second of work is too little to be judged by.
    for (String name : quick ? List.<String>of() : List.of(FIXED, SORTED)) {
      claims.add(clocked(name, cost, times, device));
    }
    return Outcome.of(
        claims,
        List.of(cells(padding), clocked(cost, times)),
        List.of(
            Outcome.Plot.bars(
                "Padding by how batches are cut",
                "padding, % of real tokens",
                List.copyOf(padding.keySet()),
                padding.values().stream().map(p -> 100 * p.overhead()).toList()),
            Outcome.Plot.bars(
                "An epoch of a small LSTM",
                "seconds",
                List.copyOf(times.keySet()),
                times.values().stream().map(t -> t.of(device)).toList())));
  }

  // Of a processor the time that it worked counts, whatever else the machine does.
  private static Claim clocked(
      String name, Map<String, Padding> cost, Map<String, Time> times, boolean device) {
    double cells = (double) get(cost, name).cells() / get(cost, RANDOM).cells();
    double own = get(times, name).of(device);
    double random = get(times, RANDOM).of(device);
    return Outcome.claim(
        name + ": an LSTM's epoch takes its share of random batches' cells, within a quarter",
        own <= 1.25 * cells * random && own < random,
        String.format(
            Locale.ROOT,
            "%.2f s against %.2f s: %.0f %% of the time, %.0f %% of the cells",
            own,
            random,
            100 * own / random,
            100 * cells));
  }

  private static <V> V get(Map<String, V> map, String name) {
    return Objects.requireNonNull(map.get(name), name);
  }

  private static List<Claim> padded(Map<String, Padding> padding) {
    List<Claim> out = new ArrayList<>();
    double random = 100 * get(padding, RANDOM).overhead();
    out.add(
        Outcome.claim(
            "random batches pad by 125 to 145 % of the real tokens",
            random >= 125 && random <= 145, String.format(Locale.ROOT, "%.0f %%", random)));
    double[] fixed =
        padding.entrySet().stream()
            .filter(e -> !e.getKey().equals(RANDOM) && !e.getKey().equals(SORTED))
            .mapToDouble(e -> 100 * e.getValue().overhead())
            .sorted()
            .toArray();
    out.add(
        Outcome.claim(
            "ten fixed buckets pad by 9 to 13 %, whatever scheme and ratio",
            fixed[0] >= 9 && fixed[fixed.length - 1] <= 13,
            String.format(Locale.ROOT, "%.1f to %.1f %%", fixed[0], fixed[fixed.length - 1])));
    double sorted = 100 * get(padding, SORTED).overhead();
    out.add(
        Outcome.claim(
            "sorted chunks pad by less than 2.5 %",
            sorted < 2.5, String.format(Locale.ROOT, "%.1f %%", sorted)));
    int none = get(padding, FIXED).batches();
    int half = get(padding, FIXED + ", ratio 0.5").batches();
    int more = get(padding, FIXED + ", ratio 0.7").batches();
    out.add(
        Outcome.claim(
            "ratio 0.5 and 0.7 leave 73 to 81 and 59 to 66 % of the batches",
            within(half, none, 0.73, 0.81) && within(more, none, 0.59, 0.66),
            none + " batches, " + half + " and " + more));
    return out;
  }

  private static boolean within(int part, int whole, double least, double most) {
    return part >= least * whole && part <= most * whole;
  }

  private static Map<String, List<int[]>> epochs(int[] lengths, long seed) {
    FixedBucketSampler.Options options = FixedBucketSampler.Options.of(BATCH).shuffled(seed);
    Map<String, BatchSampler> samplers = new LinkedHashMap<>();
    samplers.put(RANDOM, Samplers.unsorted(lengths.length, BATCH, seed));
    samplers.put(
        FIXED, new FixedBucketSampler(lengths, options.scheme(BUCKETS, BucketScheme.constant())));
    samplers.put(
        FIXED + ", ratio 0.5",
        new FixedBucketSampler(
            lengths, options.scheme(BUCKETS, BucketScheme.constant()).ratio(0.5)));
    samplers.put(SORTED, new SortedBucketSampler(lengths, BATCH, 100, true, true, seed));
    Map<String, List<int[]>> out = new LinkedHashMap<>();
    samplers.forEach((name, sampler) -> out.put(name, sampler.epoch(0)));
    return out;
  }

  // The batches that are timed are those that are counted.
  private static BatchSampler fixed(List<int[]> batches) {
    return new BatchSampler() {
      @Override
      public int size() {
        return batches.size();
      }

      @Override
      public List<int[]> epoch(long number) {
        return batches;
      }
    };
  }

  // A slice of each in turn, so that whatever else the machine does slows all alike.
  private @Nullable Map<String, Time> times(
      Bench bench, int[] lengths, Map<String, List<int[]>> epochs) {
    Map<String, Time> out = new LinkedHashMap<>();
    RecurrentLm.Shape shape =
        new RecurrentLm.Shape(
            RecurrentStack.Kind.LSTM,
            WORDS,
            FEATURES,
            FEATURES,
            1,
            new RecurrentLm.Drops(0, 0, 0, 0, 0));
    bench.progress().begin(name(), SLICES, "slice");
    try (RecurrentLm model = RecurrentLm.random(shape, bench.backend(), DType.F32, bench.seed())) {
      // A first epoch of each: products of a new shape are compiled, the first calls of a JVM slow.
      for (List<int[]> epoch : epochs.values()) {
        if (bench.stopped()) {
          return null;
        }
        train(model, lengths, epoch);
      }
      for (int slice = 0; slice < SLICES; slice++) {
        for (Map.Entry<String, List<int[]>> epoch : epochs.entrySet()) {
          List<int[]> all = epoch.getValue();
          int from = slice * all.size() / SLICES;
          int to = (slice + 1) * all.size() / SLICES;
          long start = System.nanoTime();
          double before = worked();
          train(model, lengths, all.subList(from, to));
          Time time = new Time((System.nanoTime() - start) * 1e-9, worked() - before);
          out.merge(epoch.getKey(), time, Time::plus);
        }
        bench.progress().advance(slice + 1L, "");
        if (bench.stopped()) {
          return null;
        }
      }
    }
    bench.progress().end("");
    return out;
  }

  // Of the calling thread, which has its part in every kernel; the compiler's work is not in it.
  private static double worked() {
    return ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime() * 1e-9;
  }

  private static void train(RecurrentLm model, int[] lengths, List<int[]> batches) {
    if (batches.isEmpty()) {
      return;
    }
    Objective<BpttBatch> objective =
        (t, batch, gradScale) -> {
          RecurrentLm.Hidden out = model.hidden(t, batch.data(), batch.rows(), null);
          long count = Losses.scored(batch.target());
          Tensor losses = model.losses(t, out.dropped(), batch.target(), gradScale / count);
          return new Objective.Loss(Losses.sum(losses), count);
        };
    new Trainer(TrainConfig.of(batches.size(), 1e-3f, 1), null, ProgressListener.NONE)
        .fit(
            "epoch",
            model.parameters(),
            n -> padded(batches.get((int) n), lengths),
            objective,
            null);
  }

  // Each text counts upwards from a word of its own.
  private static BpttBatch padded(int[] samples, int[] lengths) {
    int rows = samples.length;
    int steps = Arrays.stream(samples).map(i -> lengths[i]).max().orElse(1);
    int[] data = new int[steps * rows];
    int[] target = new int[steps * rows];
    Arrays.fill(target, Losses.IGNORE);
    for (int n = 0; n < rows; n++) {
      for (int t = 0; t < lengths[samples[n]]; t++) {
        data[t * rows + n] = (samples[n] + t) % WORDS;
        target[t * rows + n] = (samples[n] + t + 1) % WORDS;
      }
    }
    return new BpttBatch(steps, rows, data, target);
  }

  private static Table cells(Map<String, Padding> padding) {
    List<List<String>> rows = new ArrayList<>();
    padding.forEach(
        (name, p) ->
            rows.add(
                List.of(
                    name,
                    String.valueOf(p.batches()),
                    String.format(Locale.ROOT, "%.1f", 100 * p.overhead()),
                    String.format(Locale.ROOT, "%.1f", 100 * p.share()))));
    return new Table(
        "Bucketing: padding",
        "%d lengths, lognormal(5.2, 0.65) from 10 to 500, in batches of %d, %d buckets."
            .formatted(SAMPLES, BATCH, BUCKETS),
        List.of("batches", "number", "padding, % of real tokens", "padding, % of all cells"),
        rows);
  }

  private Table clocked(Map<String, Padding> cost, Map<String, Time> times) {
    List<List<String>> rows = new ArrayList<>();
    cost.forEach(
        (name, p) ->
            rows.add(
                List.of(
                    name,
                    String.valueOf(p.batches()),
                    String.format(Locale.ROOT, "%.2f", p.cells() * 1e-6),
                    String.format(Locale.ROOT, "%.2f", get(times, name).processor),
                    String.format(Locale.ROOT, "%.2f", get(times, name).clock))));
    return new Table(
        "Bucketing: an epoch of a small LSTM",
        "An LSTM with %d features, trained on the first %d texts; after an epoch of each, a slice of each in turn."
            .formatted(FEATURES, timed),
        List.of("batches", "number", "million cells", "processor seconds", "seconds on the clock"),
        rows);
  }
}
