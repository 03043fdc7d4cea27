package io.heddle.methods.toolkit;

import io.heddle.data.Mix;
import io.heddle.methods.finetune.Translation;
import io.heddle.methods.study.Claim;
import io.heddle.methods.study.EvaluationLog;
import io.heddle.methods.study.Table;
import io.heddle.models.BeamScoring;
import io.heddle.models.BeamSearch;
import io.heddle.models.Hypothesis;
import io.heddle.models.Translator;
import io.heddle.models.Translators;
import io.heddle.models.Translators.Marks;
import io.heddle.op.Losses;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import io.heddle.train.Objective;
import io.heddle.train.RunDirectory.Curve;
import io.heddle.train.TrainConfig;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The Transformer that does not converge, and its repair (Nguyen &amp; Salazar 2019): sequences are
 * to be written backwards by six layers on either side, at a constant rate without warm-up, with
 * norms after the sums, as in Vaswani et al. 2017, or before the branches.
 */
final class NormPlacement implements Experiment {
  private static final Marks MARKS = new Marks(1, 2, 0);
  private static final int FIRST = 3; // tokens below are marks
  private static final int ROWS = 32;
  private static final int HIDDEN = 64;
  private static final float RATE = 1e-3f;
  private static final double SOLVED = 0.95;
  private static final double STALLED = 0.5;

  private static final String POST = "post-norm, LayerNorm";
  private static final String PRE = "pre-norm, LayerNorm";
  private static final String SCALE = "pre-norm, ScaleNorm";

  private final int words; // kinds of them
  private final int shortest;
  private final int longest;
  private final long steps;
  private final int tests;

  NormPlacement(boolean quick) {
    this.words = quick ? 8 : 20;
    this.shortest = quick ? 3 : 4;
    this.longest = quick ? 5 : 8;
    this.steps = quick ? 300 : 4_000;
    this.tests = quick ? 64 : 256;
  }

  @Override
  public String name() {
    return "norms";
  }

  @Override
  public String title() {
    return "Norms before and after, six layers without warm-up";
  }

  @Override
  public long steps() {
    return 3 * steps;
  }

  private int[] words(Mix random, int length) {
    int[] out = new int[length];
    Arrays.setAll(out, i -> FIRST + random.below(words));
    return out;
  }

  private static int[] backwards(int[] words) {
    int[] out = new int[words.length];
    Arrays.setAll(out, i -> words[words.length - 1 - i]);
    return out;
  }

  // All rows of a batch are of one length, which differs from batch to batch.
  private Translation.Batch batch(long number, long seed) {
    Mix random = new Mix(Mix.hash(Mix.hash(seed) + number));
    int length = shortest + random.below(longest - shortest + 1);
    int[][] source = new int[ROWS][];
    int[][] input = new int[ROWS][];
    int[] targets = new int[ROWS * (length + 1)];
    for (int r = 0; r < ROWS; r++) {
      int[] text = words(random, length);
      int[] wanted = HistoryModel.with(backwards(text), MARKS.end());
      source[r] = HistoryModel.with(text, MARKS.end());
      input[r] = new int[length + 1];
      input[r][0] = MARKS.start();
      System.arraycopy(wanted, 0, input[r], 1, length);
      System.arraycopy(wanted, 0, targets, r * (length + 1), length + 1);
    }
    return new Translation.Batch(source, null, input, targets);
  }

  private static Objective<Translation.Batch> objective(Translator model) {
    return (t, batch, gradScale) -> {
      int count = batch.targets().length;
      Tensor hidden = model.hidden(t, batch.source(), batch.mask(), batch.input());
      Tensor targets = t.tensor(DType.I32, count).copyFrom(batch.targets());
      Tensor losses = model.losses(t, hidden, targets, gradScale / count);
      return new Objective.Loss(Losses.sum(losses), count);
    };
  }

  private TrainConfig loop(long seed) {
    return new TrainConfig(
        steps,
        1,
        RATE,
        0,
        TrainConfig.Decay.CONSTANT,
        0,
        0.9f,
        0.98f,
        1e-9f,
        0,
        false,
        0,
        seed,
        0,
        100,
        0);
  }

  private Translator model(String name, Bench bench) {
    Translators.Shape shape =
        new Translators.Shape(
            HIDDEN,
            6,
            6,
            4,
            2 * HIDDEN,
            longest + 2,
            !name.equals(POST),
            name.equals(SCALE),
            false,
            0);
    Translator model =
        Translators.random(shape, FIRST + words, MARKS, bench.backend(), DType.F32, bench.seed());
    model.parameters().byName().forEach((weight, values) -> xavier(weight, values, bench.seed()));
    return model;
  }

  // The original's first weights (Glorot & Bengio 2010), not this build's smaller ones, with which
  // a block hardly changes what passes through it, and norms may stand where they like.
  private static void xavier(String name, Tensor values, long seed) {
    if (values.shape().length != 2 || name.equals("embed.weight")) {
      return;
    }
    double bound = Math.sqrt(6.0 / (values.dim(0) + values.dim(1)));
    Mix random = new Mix(Mix.hash(seed) + name.hashCode());
    float[] all = new float[Math.toIntExact(values.dim(0) * values.dim(1))];
    for (int i = 0; i < all.length; i++) {
      all[i] = (float) (bound * (2 * Chain.unit(random) - 1));
    }
    values.copyFrom(all);
  }

  @Override
  public @Nullable Outcome run(Bench bench) {
    EvaluationLog log = new EvaluationLog(bench.folder().resolve("exact.jsonl"));
    Map<String, Double> exact = new LinkedHashMap<>();
    Map<String, Curve> losses = new LinkedHashMap<>();
    for (String name : List.of(POST, PRE, SCALE)) {
      String folder = name.replaceAll("[ ,]+", "-");
      try (Translator model = model(name, bench)) {
        if (!bench.fit(
            folder,
            loop(bench.seed()),
            model.parameters(),
            number -> batch(number, bench.seed()),
            objective(model),
            null,
            Map.of())) {
          return null;
        }
        exact.put(
            name, log.get(name, () -> new double[] {exact(model, bench.seed() + 1)}).values()[0]);
      }
      losses.put(name, bench.curve(folder, "loss"));
    }
    return outcome(exact, losses);
  }

  /** The share of unseen sequences that are written backwards without a mistake. */
  private double exact(Translator model, long seed) {
    Mix random = new Mix(Mix.hash(seed));
    int right = 0;
    int[][] texts = new int[tests][];
    Arrays.setAll(texts, i -> words(random, shortest + i % (longest - shortest + 1)));
    int[][] prompts = new int[tests][];
    Arrays.fill(prompts, new int[] {MARKS.start()});
    int[][] sources =
        Arrays.stream(texts).map(w -> HistoryModel.with(w, MARKS.end())).toArray(int[][]::new);
    BeamScoring scoring = new BeamScoring.Normalised(0, 5);
    BeamSearch search =
        new BeamSearch(BeamSearch.Options.of(1, longest + 1, Set.of(MARKS.end()), scoring));
    List<List<Hypothesis>> found = search.search(model.over(sources), prompts);
    for (int i = 0; i < tests; i++) {
      int[] wanted = HistoryModel.with(backwards(texts[i]), MARKS.end());
      right += Arrays.equals(wanted, found.get(i).getFirst().tokens()) ? 1 : 0;
    }
    return (double) right / tests;
  }

  private Outcome outcome(Map<String, Double> exact, Map<String, Curve> losses) {
    List<Claim> claims = new ArrayList<>();
    List<List<String>> rows = new ArrayList<>();
    List<Outcome.Series> series = new ArrayList<>();
    exact.forEach(
        (name, share) -> {
          boolean stalls = name.equals(POST);
          claims.add(
              Outcome.claim(
                  name
                      + (stalls
                          ? " stalls: below 50 % exact matches"
                          : " writes more than 95 % without a mistake"),
                  stalls ? share < STALLED : share > SOLVED,
                  String.format(Locale.ROOT, "%.1f %%", 100 * share)));
          rows.add(
              List.of(
                  name,
                  String.format(Locale.ROOT, "%.1f", 100 * share),
                  String.format(Locale.ROOT, "%.4f", end(losses.get(name)))));
        });
    losses.forEach(
        (name, curve) -> series.add(Outcome.Series.of(name, curve.steps(), curve.values())));
    return Outcome.of(
        claims,
        List.of(
            new Table(
                "Norm placement",
                "%d to %d words of %d kinds backwards; 6 + 6 layers, d = %d, Adam at %.0e from the first of %d steps."
                    .formatted(shortest, longest, words, HIDDEN, RATE, steps),
                List.of("norms", "exact matches, %", "loss of the last 20 steps, nats"),
                rows)),
        List.of(
            Outcome.Plot.lines(
                "Training loss by placement of norms", "step", "nats per token", series)));
  }

  private static double end(@Nullable Curve curve) {
    return curve == null
        ? Double.NaN
        : Arrays.stream(curve.values())
            .skip(Math.max(0, curve.values().length - 20))
            .average()
            .orElse(Double.NaN);
  }
}
