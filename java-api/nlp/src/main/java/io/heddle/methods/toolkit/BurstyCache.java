package io.heddle.methods.toolkit;

import io.heddle.data.Mix;
import io.heddle.data.VariablePieces;
import io.heddle.methods.lm.NeuralCache;
import io.heddle.methods.lm.RecurrentTraining;
import io.heddle.methods.lm.Score;
import io.heddle.methods.study.EvaluationLog;
import io.heddle.methods.study.Table;
import io.heddle.models.RecurrentLm;
import io.heddle.nn.RecurrentStack;
import io.heddle.progress.ProgressListener;
import io.heddle.tensor.DType;
import io.heddle.train.TrainConfig;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * A cache beside a small LSTM: on texts whose rare words come in bursts, topic by topic, and on the
 * same words in random order. Sharpness and share are chosen on a validation part of each.
 */
final class BurstyCache implements Experiment {
  private static final int COMMON = 100;
  private static final int RARE = 600;
  private static final int TOPIC = 12; // rare words of a document
  private static final int DOCUMENT = 200;
  private static final double SHARE = 0.3; // of rare words
  private static final int ROWS = 16;
  private static final int USUAL = 35;
  private static final int WINDOW = 500;
  private static final double[] THETAS = {0, 0.3, 1};
  private static final double[] LAMBDAS = {0.005, 0.1, 0.2, 0.4};

  private final int tokens;
  private final long steps;

  BurstyCache(boolean quick) {
    this.tokens = quick ? 30_000 : 150_000;
    this.steps = quick ? 250 : 1_200;
  }

  @Override
  public String name() {
    return "cache";
  }

  @Override
  public String title() {
    return "A cache of what was just read, on bursty and on shuffled text";
  }

  @Override
  public long steps() {
    return 2 * steps;
  }

  // Documents one after the other, each with rare words of its own between common ones.
  private static int[] bursty(int length, long seed) {
    Chain common = new Chain(COMMON, 1, 4, 0.1, seed);
    Mix random = new Mix(Mix.hash(seed));
    int[] out = new int[length];
    int[] topic = new int[TOPIC];
    int last = 0;
    for (int i = 0; i < length; i++) {
      if (i % DOCUMENT == 0) {
        Arrays.setAll(topic, k -> COMMON + random.below(RARE));
      }
      if (Chain.unit(random) < SHARE) {
        out[i] = topic[random.below(TOPIC)];
      } else {
        last = common.next(0, last, random);
        out[i] = last;
      }
    }
    return out;
  }

  private record Found(String text, double plain, double cached, double theta, double lambda) {
    double gain() {
      return 1 - cached / plain;
    }
  }

  @Override
  public @Nullable Outcome run(Bench bench) {
    List<Found> found = new ArrayList<>();
    for (String text : List.of("bursty", "shuffled")) {
      int held = tokens / 15;
      int[] words = bursty(tokens + 2 * held, bench.seed());
      if (text.equals("shuffled")) {
        new Mix(Mix.hash(bench.seed() + 1)).shuffle(words);
      }
      List<int[]> parts =
          List.of(
              Arrays.copyOf(words, tokens),
              Arrays.copyOfRange(words, tokens, tokens + held),
              Arrays.copyOfRange(words, tokens + held, words.length));
      Found one = found(bench, text, parts);
      if (one == null) {
        return null;
      }
      found.add(one);
    }
    return outcome(found.get(0), found.get(1));
  }

  private @Nullable Found found(Bench bench, String text, List<int[]> parts) {
    RecurrentLm.Shape shape =
        new RecurrentLm.Shape(
            RecurrentStack.Kind.LSTM,
            COMMON + RARE,
            64,
            64,
            1,
            new RecurrentLm.Drops(0, 0, 0, 0, 0));
    TrainConfig loop = TrainConfig.of(steps, 1e-2f, bench.seed()).every(0, 200);
    VariablePieces pieces = new VariablePieces(parts.get(0), ROWS, USUAL, bench.seed());
    try (RecurrentLm model = RecurrentLm.random(shape, bench.backend(), DType.F32, bench.seed());
        RecurrentTraining objective =
            new RecurrentTraining(model, new RecurrentTraining.Setting(ROWS, USUAL, 0, 0))) {
      if (!bench.fit(
          text, loop, model.parameters(), pieces::piece, objective, null, objective.state())) {
        return null;
      }
      EvaluationLog log = new EvaluationLog(bench.folder().resolve(text + ".jsonl"));
      NeuralCache.Options best = NeuralCache.Options.DEFAULT;
      double least = Double.POSITIVE_INFINITY;
      for (double theta : THETAS) {
        for (double lambda : LAMBDAS) {
          if (bench.stopped()) {
            return null;
          }
          NeuralCache.Options options = new NeuralCache.Options(WINDOW, theta, lambda, false);
          double value = perplexity(log, model, parts.get(1), options);
          best = value < least ? options : best;
          least = Math.min(least, value);
        }
      }
      double plain = perplexity(log, model, parts.get(2), null);
      double cached = perplexity(log, model, parts.get(2), best);
      return new Found(text, plain, cached, best.theta(), best.lambda());
    }
  }

  private static double perplexity(
      EvaluationLog log, RecurrentLm model, int[] words, NeuralCache.@Nullable Options options) {
    return log.get(
            words.length + " words from " + words[0] + "," + words[1] + ", " + options,
            () -> {
              NeuralCache cache = options == null ? null : new NeuralCache(options);
              Score score =
                  RecurrentTraining.evaluate(
                      model, List.of(words), 1, 70, cache, ProgressListener.NONE);
              return new double[] {score.perplexity()};
            })
        .values()[0];
  }

  private Outcome outcome(Found bursty, Found shuffled) {
    List<List<String>> rows = new ArrayList<>();
    for (Found f : List.of(bursty, shuffled)) {
      rows.add(
          List.of(
              f.text,
              String.format(Locale.ROOT, "%.1f", f.plain),
              String.format(Locale.ROOT, "%.1f", f.cached),
              String.format(Locale.ROOT, "%+.1f", -100 * f.gain()),
              String.valueOf(f.theta),
              String.valueOf(f.lambda)));
    }
    return Outcome.of(
        List.of(
            Outcome.claim(
                "on bursty text the cache lowers test perplexity by more than 10 %",
                bursty.gain() > 0.1, said(bursty)),
            Outcome.claim(
                "on the same words shuffled it changes test perplexity by less than 1 %",
                Math.abs(shuffled.gain()) < 0.01, said(shuffled))),
        List.of(
            new Table(
                "Cache",
                "LSTM 64, %d training words; theta and lambda chosen on a validation part, %d words remembered."
                    .formatted(tokens, WINDOW),
                List.of("text", "perplexity", "with cache", "change, %", "theta", "lambda"),
                rows)),
        List.of());
  }

  private static String said(Found f) {
    return String.format(Locale.ROOT, "%.1f to %.1f, %+.1f %%", f.plain, f.cached, -100 * f.gain());
  }
}
