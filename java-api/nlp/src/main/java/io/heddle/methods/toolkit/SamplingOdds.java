package io.heddle.methods.toolkit;

import io.heddle.methods.study.Claim;
import io.heddle.methods.study.Table;
import io.heddle.models.Hypothesis;
import io.heddle.models.Sampler;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.function.ToDoubleFunction;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** What sampling draws, against odds that are computed from each filter's definition. */
final class SamplingOdds implements Experiment {
  private static final int WORDS = 20;
  private static final double RARE = 1e-3;
  private static final double NEVER = 1e-9;

  private final int draws;

  SamplingOdds(boolean quick) {
    this.draws = quick ? 20_000 : 200_000;
  }

  @Override
  public String name() {
    return "sampling";
  }

  @Override
  public String title() {
    return "What is drawn against the exact odds";
  }

  @Override
  public long steps() {
    return 8;
  }

  @SuppressWarnings("ArrayRecordComponent") // never compared
  private record Case(String name, Sampler.Options options, double[] odds) {}

  // ---- the filters by their definitions; odds stay in the order of the tokens ----

  private static double[] softmax(double[] logits, double temperature) {
    double[] out = Arrays.stream(logits).map(x -> Math.exp((float) x / temperature)).toArray();
    return normalised(out);
  }

  private static double[] normalised(double[] weights) {
    double sum = Arrays.stream(weights).sum();
    return Arrays.stream(weights).map(w -> w / sum).toArray();
  }

  // The tokens that come first by `key`, so many or until they have `mass`, at least one.
  private static double[] first(double[] p, ToDoubleFunction<Integer> key, int most, double mass) {
    List<Integer> order =
        IntStream.range(0, p.length).boxed().sorted(Comparator.comparingDouble(key)).toList();
    double[] out = new double[p.length];
    double sum = 0;
    for (int i = 0; i < most && (i == 0 || sum < mass); i++) {
      int token = order.get(i);
      out[token] = p[token];
      sum += p[token];
    }
    return normalised(out);
  }

  private static double[] above(double[] p, double share) {
    double most = Arrays.stream(p).max().orElse(0);
    return normalised(Arrays.stream(p).map(x -> x >= share * most ? x : 0).toArray());
  }

  private static double[] typical(double[] p, double mass) {
    double entropy = -Arrays.stream(p).map(x -> x * Math.log(x)).sum();
    return first(p, i -> Math.abs(-Math.log(p[i]) - entropy), p.length, mass);
  }

  private static List<Case> cases(double[] logits, long seed) {
    double[] p = softmax(logits, 1);
    Sampler.Options plain = new Sampler.Options(1, 0, 1, seed);
    return List.of(
        new Case("temperature 1", plain, p),
        new Case("temperature 0.7", new Sampler.Options(0.7, 0, 1, seed), softmax(logits, 0.7)),
        new Case("temperature 1.5", new Sampler.Options(1.5, 0, 1, seed), softmax(logits, 1.5)),
        new Case("top-k 5", new Sampler.Options(1, 5, 1, seed), first(p, i -> -p[i], 5, 2)),
        new Case(
            "nucleus 0.8", new Sampler.Options(1, 0, 0.8, seed), first(p, i -> -p[i], WORDS, 0.8)),
        new Case("min-p 0.2", plain.minP(0.2), above(p, 0.2)),
        new Case("typical 0.6", plain.typicalP(0.6), typical(p, 0.6)));
  }

  private long[] drawn(HistoryModel model, Sampler.Options options) {
    long[] counts = new long[WORDS];
    for (Hypothesis h : continuations(model, options, draws)) {
      counts[h.tokens()[0]]++;
    }
    return counts;
  }

  private static List<Hypothesis> continuations(
      HistoryModel model, Sampler.Options options, int samples) {
    return new Sampler(options)
        .continuations(
            model,
            new int[][] {{0}},
            new Sampler.Limits(samples, samples == 1 ? 200 : 1, Set.of()),
            (text, sample, token) -> true);
  }

  @Override
  public @Nullable Outcome run(Bench bench) {
    SplittableRandom random = new SplittableRandom(bench.seed());
    double[] logits = new double[WORDS];
    Arrays.setAll(logits, i -> random.nextGaussian());
    HistoryModel model = new HistoryModel(WORDS, text -> logits);
    List<Case> cases = cases(logits, bench.seed());
    List<Claim> claims = new ArrayList<>();
    List<List<String>> rows = new ArrayList<>();
    long[] plain = {};
    bench.progress().begin(name(), steps(), "sampler");
    for (int i = 0; i < cases.size(); i++) {
      Case each = cases.get(i);
      long[] counts = drawn(model, each.options);
      plain = i == 0 ? counts : plain;
      double p = ChiSquare.tail(counts, each.odds);
      long kept = Arrays.stream(each.odds).filter(x -> x > 0).count();
      claims.add(
          Outcome.claim(
              each.name + " draws by the exact odds (chi-square, p > 0.001)",
              p > RARE,
              String.format(Locale.ROOT, "p = %.3f, %d of %d tokens kept", p, kept, WORDS)));
      rows.add(
          List.of(
              each.name,
              String.valueOf(kept),
              String.format(Locale.ROOT, "%.3f", p),
              String.format(Locale.ROOT, "%.2g", ChiSquare.tail(plain, each.odds))));
      bench.progress().advance(i + 1L, each.name);
      if (bench.stopped()) {
        return null;
      }
    }
    double power = ChiSquare.tail(plain, cases.get(1).odds);
    claims.add(
        Outcome.claim(
            "the test tells temperature 1 from 0.7 (p < 1e-9)",
            power < NEVER,
            String.format(Locale.ROOT, "p = %.2g", power)));
    claims.add(seeds(model, bench.seed()));
    bench.progress().end("");
    return Outcome.of(
        claims,
        List.of(
            new Table(
                "Sampling",
                draws + " draws each from " + WORDS + " tokens, against odds by the definition.",
                List.of("sampler", "tokens kept", "p", "p of draws at temperature 1"),
                rows)),
        List.of());
  }

  private static Claim seeds(HistoryModel model, long seed) {
    List<int[]> texts = new ArrayList<>();
    for (long each : new long[] {seed, seed, seed + 1}) {
      texts.add(continuations(model, new Sampler.Options(1, 0, 0.9, each), 1).get(0).tokens());
    }
    int[] other = texts.get(2);
    long alike = IntStream.range(0, other.length).filter(i -> other[i] == texts.get(0)[i]).count();
    return Outcome.claim(
        "a seed gives the same text again, another seed another text",
        Arrays.equals(texts.get(0), texts.get(1)) && alike < other.length,
        "%d of %d tokens are the same with another seed".formatted(alike, other.length));
  }
}
