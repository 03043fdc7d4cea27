package io.heddle.methods.toolkit;

import io.heddle.autograd.Tape;
import io.heddle.backend.Backend;
import io.heddle.backend.Backends;
import io.heddle.data.Mix;
import io.heddle.methods.study.Claim;
import io.heddle.methods.study.Table;
import io.heddle.nn.Modules;
import io.heddle.nn.Parameters;
import io.heddle.op.Layers;
import io.heddle.op.Losses;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import io.heddle.train.Objective;
import io.heddle.train.Recipe;
import io.heddle.train.RunDirectory.Curve;
import io.heddle.train.TrainConfig;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A small net that names the next word, in f16 with a loss scale that begins at 2^24, far too high,
 * beside the same in f32 (Micikevicius et al. 2018). Runs on the reference backend where the given
 * one has no products of f16: few CPUs do.
 */
final class HalfPrecision implements Experiment {
  private static final int WORDS = 48;
  private static final int FEATURES = 24;
  private static final int INNER = 48;
  private static final int ROWS = 32;
  private static final int SMOOTH = 20; // steps of a mean
  private static final double FIRST = 0x1p24;
  private static final double DEVIATION = 0.2; // of the first weights
  private static final int TANH = 5; // kind of params.def

  private static final String SINGLE = "f32";
  private static final String OTHER = "f32-other-seed";
  private static final String HALF = "f16";

  private final long steps;

  HalfPrecision(boolean quick) {
    this.steps = quick ? 120 : 600;
  }

  @Override
  public String name() {
    return "loss-scale";
  }

  @Override
  public String title() {
    return "Half precision with a scale on losses, beside single precision";
  }

  @Override
  public long steps() {
    return 3 * steps;
  }

  /** Words, and those that follow. */
  @SuppressWarnings("ArrayRecordComponent") // a carrier to the tape, never compared
  private record Batch(int[] words, int[] next) {
    static Batch of(long number, long seed) {
      // One chain for all: another seed draws other texts of the same language.
      Chain chain = new Chain(WORDS, 1, 3, 0.1, 7);
      Mix random = new Mix(Mix.hash(Mix.hash(seed) + number));
      int[] words = new int[ROWS];
      int[] next = new int[ROWS];
      for (int r = 0; r < ROWS; r++) {
        words[r] = random.below(WORDS);
        next[r] = chain.next(0, words[r], random);
      }
      return new Batch(words, next);
    }
  }

  private static void net(Parameters p, long seed) {
    p.normal("embed.weight", DEVIATION, seed, WORDS, FEATURES);
    Modules.linear(p, "inner", DEVIATION, seed, true, INNER, FEATURES);
    Modules.linear(p, "outer", DEVIATION, seed, true, WORDS, INNER);
  }

  private static Objective<Batch> objective(Parameters p) {
    return (t, batch, gradScale) -> {
      Tensor ids = t.tensor(DType.I32, ROWS).copyFrom(batch.words);
      Tensor x = Layers.embedding(t, p.get("embed.weight"), ids);
      Tensor inner = Layers.activation(t, TANH, Modules.linear(t, p, "inner", x), null);
      Tensor wanted = t.tensor(DType.I32, ROWS).copyFrom(batch.next);
      Tensor losses =
          Losses.linearCrossEntropy(
              t, inner, p.get("outer.weight"), p.get("outer.bias"), wanted, 0, gradScale / ROWS);
      return new Objective.Loss(Losses.sum(losses), ROWS);
    };
  }

  private static boolean multipliesHalves(Backend backend) {
    try (Tape t = Tape.inference(backend)) {
      Tensor x = t.tensor(DType.F16, 8, 8).copyFrom(new double[64]);
      Layers.linear(t, x, x, null);
      return true;
    } catch (UnsupportedOperationException e) {
      return false;
    }
  }

  @Override
  public @Nullable Outcome run(Bench bench) {
    if (multipliesHalves(bench.backend())) {
      return run(bench, bench.backend());
    }
    try (Backend reference = Backends.open("reference")) {
      return run(bench, reference);
    }
  }

  private @Nullable Outcome run(Bench bench, Backend backend) {
    boolean all =
        fit(bench, backend, SINGLE, DType.F32, bench.seed())
            && fit(bench, backend, OTHER, DType.F32, bench.seed() + 1)
            && fit(bench, backend, HALF, DType.F16, bench.seed());
    return all ? outcome(bench, backend.name()) : null;
  }

  private boolean fit(Bench bench, Backend backend, String name, DType dtype, long seed) {
    TrainConfig loop = TrainConfig.of(steps, 1e-2f, seed).every(0, 50);
    if (dtype == DType.F16) {
      loop = loop.with(Recipe.ADAMW.with(new Recipe.Scaling(FIRST, true)));
    }
    try (Parameters p = new Parameters(backend, dtype)) {
      net(p, seed);
      return bench.fit(
          name, loop, p, number -> Batch.of(number, seed), objective(p), null, Map.of());
    }
  }

  // Means over the last SMOOTH steps.
  private static double[] smooth(double[] values) {
    double[] out = new double[values.length - SMOOTH + 1];
    Arrays.setAll(out, i -> Arrays.stream(values, i, i + SMOOTH).average().orElseThrow());
    return out;
  }

  private static double apart(double[] a, double[] b) {
    double sum = 0;
    for (int i = 0; i < a.length; i++) {
      sum += Math.abs(a[i] - b[i]);
    }
    return sum / a.length;
  }

  private Outcome outcome(Bench bench, String backend) {
    double[] single = smooth(bench.curve(SINGLE, "loss").values());
    double[] other = smooth(bench.curve(OTHER, "loss").values());
    double[] half = smooth(bench.curve(HALF, "loss").values());
    Curve scale = bench.curve(HALF, "loss_scale");
    double[] moved = bench.curve(HALF, "grad_norm").steps(); // a skipped step has no norm
    long skipped = steps - moved.length;
    long middle = steps / 2;
    long late = steps - middle - Arrays.stream(moved).filter(s -> s > middle).count();
    double last = scale.values()[scale.values().length - 1];
    double near = apart(half, single);
    double noise = apart(other, single);
    List<Claim> claims = new ArrayList<>();
    claims.add(
        Outcome.claim(
            "the loss in f16 stays nearer to that in f32 than another seed's does",
            near < noise,
            nats(near) + " apart in the mean, seeds " + nats(noise)));
    claims.add(
        Outcome.claim(
            "at a scale of 2^24 at least one step is skipped, the first among them",
            skipped >= 1 && moved[0] > 1,
            skipped + " of " + steps + " steps"));
    claims.add(
        Outcome.claim(
            "the scale falls to where steps are taken: none is skipped in the second half",
            late == 0 && last < FIRST,
            "2^%.0f at the end, %d skipped late".formatted(Math.log(last) / Math.log(2), late)));
    double[] at = Arrays.copyOfRange(bench.curve(SINGLE, "loss").steps(), SMOOTH - 1, (int) steps);
    return Outcome.of(
        claims,
        List.of(
            new Table(
                "Half precision",
                "The next of %d words by a net of %d and %d features; %d steps of %d words on %s, means of %d steps."
                    .formatted(WORDS, FEATURES, INNER, steps, ROWS, backend, SMOOTH),
                List.of("run", "loss at first, nats", "at the end", "steps skipped"),
                List.of(row(SINGLE, single, 0), row(OTHER, other, 0), row(HALF, half, skipped)))),
        List.of(
            Outcome.Plot.lines(
                "Loss in f16 and f32",
                "step",
                "nats",
                List.of(
                    Outcome.Series.of("f32", at, single),
                    Outcome.Series.of("f32, another seed", at, other),
                    Outcome.Series.of("f16", at, half)))));
  }

  private static List<String> row(String name, double[] losses, long skipped) {
    return List.of(
        name.replace('-', ' '),
        "%.3f".formatted(losses[0]),
        "%.3f".formatted(losses[losses.length - 1]),
        Long.toString(skipped));
  }

  private static String nats(double value) {
    return String.format(Locale.ROOT, "%.4f nats", value);
  }
}
