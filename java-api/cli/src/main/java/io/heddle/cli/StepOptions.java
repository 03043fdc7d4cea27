package io.heddle.cli;

import picocli.CommandLine.Option;

/** Options of loops that count steps, not epochs. */
final class StepOptions {
  @Option(names = "--steps", defaultValue = "1000", description = "Steps (default: 1000).")
  private long steps;

  @Option(
      names = "--warmup",
      defaultValue = "-1",
      description = "Warm-up steps; -1: 5 %% of --steps.")
  private long warmup;

  @Option(names = "--eval-every", defaultValue = "100", description = "Steps between evaluations.")
  private long evalEvery;

  @Option(
      names = "--checkpoint-every",
      defaultValue = "100",
      description = "Steps between checkpoints.")
  private long checkpointEvery;

  StepOptions() {}

  long steps() {
    return steps;
  }

  long warmup() {
    return warmup >= 0 ? warmup : steps / 20;
  }

  long evaluateEvery() {
    return evalEvery;
  }

  long checkpointEvery() {
    return checkpointEvery;
  }
}
