package io.heddle.methods.toolkit;

import io.heddle.data.Mix;
import io.heddle.data.VariablePieces;
import io.heddle.methods.lm.RecurrentTraining;
import io.heddle.methods.study.Table;
import io.heddle.models.RecurrentLm;
import io.heddle.nn.RecurrentStack;
import io.heddle.progress.ProgressListener;
import io.heddle.tensor.DType;
import io.heddle.train.Recipe;
import io.heddle.train.Recipe.Averaging;
import io.heddle.train.RunDirectory.Curve;
import io.heddle.train.TrainConfig;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * NT-ASGD: an LSTM by gradient descent at a constant rate, evaluated as it is and as the average
 * that begins once evaluations stop improving. Both runs take the same steps.
 */
final class AveragedDescent implements Experiment {
  private static final int WORDS = 40;
  private static final int ROWS = 10;
  private static final int USUAL = 35;
  private static final int PATIENCE = 5;
  private static final float RATE = 20;

  private final int tokens;
  private final int epochs;

  AveragedDescent(boolean quick) {
    this.tokens = quick ? 10_000 : 40_000;
    this.epochs = quick ? 20 : 40;
  }

  @Override
  public String name() {
    return "nt-asgd";
  }

  @Override
  public String title() {
    return "Gradient descent with the triggered average and without";
  }

  private static Chain chain(long seed) {
    return new Chain(WORDS, 1, 4, 0.2, seed);
  }

  private VariablePieces pieces(long seed) {
    int[] train = chain(seed).draw(tokens, new Mix(seed));
    return new VariablePieces(train, ROWS, USUAL, seed);
  }

  @Override
  public long steps() {
    return 2L * epochs * (tokens / (ROWS * USUAL));
  }

  private static TrainConfig loop(long steps, long every, long seed, Averaging averaging) {
    Recipe recipe = Recipe.ADAMW.with(new Recipe.Rule.Sgd(0, false)).with(averaging);
    return new TrainConfig(
        steps,
        1,
        RATE,
        0,
        TrainConfig.Decay.CONSTANT,
        0,
        0.9f,
        0.999f,
        1e-8f,
        1.2e-6f,
        true,
        0.25f,
        seed,
        every,
        every,
        0,
        recipe);
  }

  @Override
  public @Nullable Outcome run(Bench bench) {
    Curve plain = losses(bench, "sgd", Averaging.NONE);
    Curve averaged =
        plain == null ? null : losses(bench, "nt-asgd", Averaging.triggered(PATIENCE, false));
    return plain == null || averaged == null ? null : outcome(plain, averaged);
  }

  // Held-out losses, about one an epoch: epochs differ by a few pieces.
  private @Nullable Curve losses(Bench bench, String name, Averaging averaging) {
    long seed = bench.seed();
    VariablePieces pieces = pieces(seed);
    int[] held = chain(seed).draw(tokens / 5, new Mix(seed + 1));
    long every = pieces.count(epochs) / epochs;
    RecurrentLm.Shape shape =
        new RecurrentLm.Shape(
            RecurrentStack.Kind.LSTM, WORDS, 32, 64, 2, new RecurrentLm.Drops(0, 0, 0, 0, 0));
    try (RecurrentLm model = RecurrentLm.random(shape, bench.backend(), DType.F32, seed);
        RecurrentTraining objective =
            new RecurrentTraining(model, new RecurrentTraining.Setting(ROWS, USUAL, 0, 0))) {
      boolean finished =
          bench.fit(
              name,
              loop(every * epochs, every, seed, averaging),
              model.parameters(),
              pieces::piece,
              objective,
              listener ->
                  Map.of(
                      "held_loss",
                      RecurrentTraining.evaluate(
                              model, List.of(held), 1, 70, null, ProgressListener.NONE)
                          .loss()),
              objective.state());
      return finished ? bench.curve(name, "held_loss") : null;
    }
  }

  private Outcome outcome(Curve plain, Curve averaged) {
    double[] sgd = Arrays.stream(plain.values()).map(Math::exp).toArray();
    double[] nt = Arrays.stream(averaged.values()).map(Math::exp).toArray();
    // The evaluation that triggers is still one of the parameters themselves.
    int first = 0;
    while (first < nt.length && nt[first] == sgd[first]) {
      first++;
    }
    double best = Arrays.stream(sgd).min().orElse(Double.NaN);
    double bestAverage = Arrays.stream(nt).skip(first).min().orElse(Double.NaN);
    String begun =
        first < nt.length ? "after evaluation " + first + " of " + nt.length : "never begun";
    return Outcome.of(
        List.of(
            Outcome.claim(
                "the average begins, not before evaluation " + (PATIENCE + 2),
                first >= PATIENCE + 2 && first < nt.length,
                begun),
            Outcome.claim(
                "its perplexity falls below the best epoch of plain descent",
                bestAverage < best,
                said(bestAverage, best))),
        List.of(
            new Table(
                "NT-ASGD",
                "LSTM of 2 layers on %d words of a Markov chain, rate %.0f, clip 0.25; %d evaluations, about one an epoch."
                    .formatted(tokens, RATE, nt.length),
                List.of("run", "best held-out perplexity", "at the end", "average begun"),
                List.of(
                    List.of("plain", number(best), number(sgd[sgd.length - 1]), ""),
                    List.of("NT-ASGD", number(bestAverage), number(nt[nt.length - 1]), begun)))),
        List.of(
            Outcome.Plot.lines(
                "Held-out perplexity",
                "step",
                "perplexity",
                List.of(
                    Outcome.Series.of("plain", plain.steps(), sgd),
                    Outcome.Series.of("NT-ASGD", averaged.steps(), nt)))));
  }

  private static String number(double value) {
    return String.format(Locale.ROOT, "%.3f", value);
  }

  private static String said(double average, double best) {
    return number(average) + " against " + number(best);
  }
}
