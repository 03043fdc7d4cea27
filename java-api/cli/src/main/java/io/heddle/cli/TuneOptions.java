package io.heddle.cli;

import io.heddle.nn.Parameters;
import io.heddle.tensor.DType;
import io.heddle.train.TrainConfig;
import java.util.function.ToIntFunction;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Options that all kinds of fine-tuning have in common. */
final class TuneOptions {
  private static final Pattern LAYER = Pattern.compile("(?:.*\\b)?layers\\.(\\d+)\\..*");

  @Mixin private LoopOptions loop = new LoopOptions();

  @Option(
      names = "--epochs",
      defaultValue = "10",
      description = "Times over the data at most (default: 10).")
  private double epochs;

  @Option(names = "--batch", defaultValue = "32", description = "Rows of a batch (default: 32).")
  private int batch;

  @Option(
      names = "--lr",
      defaultValue = "0",
      description = "Peak learning rate; 0: what is usual for the model.")
  private float lr;

  @Option(
      names = "--warmup",
      defaultValue = "0.1",
      description = "Share of the steps that warm up (default: 0.1).")
  private double warmup;

  @Option(
      names = "--decay",
      defaultValue = "LINEAR",
      description = "The rate after that: ${COMPLETION-CANDIDATES} (default: linear).")
  private TrainConfig.Decay decay = TrainConfig.Decay.LINEAR;

  @Option(
      names = "--final-lr",
      defaultValue = "0",
      description = "Last learning rate as a share of --lr (default: 0).")
  private float finalLr;

  @Option(
      names = "--weight-decay",
      defaultValue = "0.01",
      description = "Weight decay (default: 0.01).")
  private float weightDecay;

  @Option(
      names = "--dropout",
      defaultValue = "-1",
      description = "Dropout; -1: what is usual for the model.")
  private float dropout;

  @Option(
      names = "--freeze",
      description = "Parameters that stay as they are: a regular expression for whole names.")
  private @Nullable String freeze;

  @Option(
      names = "--eval-every",
      defaultValue = "0",
      description = "Steps between evaluations; 0: once an epoch.")
  private long evalEvery;

  @Option(
      names = "--patience",
      defaultValue = "5",
      description =
          "Evaluations without gain before stopping; 0: never stop, and keep the last parameters"
              + " instead of the best (default: 5).")
  private int patience;

  @Option(
      names = "--max-length",
      defaultValue = "128",
      description = "Most tokens of a row (default: 128).")
  private int maxLength;

  TuneOptions() {}

  int batch() {
    return batch;
  }

  int maxLength() {
    return maxLength;
  }

  long seed() {
    return loop.seed();
  }

  DType dtype() {
    return loop.dtype();
  }

  float dropout(float usual) {
    return dropout < 0 ? usual : dropout;
  }

  /**
   * The loop.
   *
   * @param perEpoch batches of an epoch
   * @param usual the learning rate where none is given
   * @param measured whether there is something to evaluate on
   */
  TrainConfig loop(Parameters parameters, int perEpoch, float usual, boolean measured) {
    if (freeze != null && parameters.freeze(freeze) == 0) {
      throw new IllegalArgumentException(
          "--freeze '"
              + freeze
              + "' names no parameter; there are "
              + parameters.byName().keySet());
    }
    long steps = Math.max(1, Math.round(epochs * perEpoch / loop.accumulate()));
    long every = evalEvery > 0 ? evalEvery : Math.max(1, perEpoch / loop.accumulate());
    return new TrainConfig(
        steps,
        loop.accumulate(),
        lr > 0 ? lr : usual,
        Math.round(warmup * steps),
        decay,
        finalLr,
        0.9f,
        0.999f,
        1e-8f,
        weightDecay,
        false,
        loop.clip(),
        seed(),
        measured ? every : 0,
        every,
        measured ? patience : 0,
        loop.recipe(layers(parameters)));
  }

  private static int layers(Parameters parameters) {
    ToIntFunction<String> number =
        name -> {
          Matcher found = LAYER.matcher(name);
          return found.matches() ? Integer.parseInt(found.group(1)) + 1 : 0;
        };
    return parameters.byName().keySet().stream().mapToInt(number).max().orElse(0);
  }
}
