package io.heddle.cli;

import picocli.CommandLine.Command;

/** {@code heddle train}: one verb per method below it. */
@Command(
    name = "train",
    description = "Trains a model.",
    synopsisSubcommandLabel = "METHOD",
    subcommands = {
      TrainLmCommand.class,
      TrainRecurrentCommand.class,
      TrainMlmCommand.class,
      TrainSpansCommand.class,
      TrainRtdCommand.class
    })
final class TrainCommand implements Runnable {
  @picocli.CommandLine.Spec
  private picocli.CommandLine.Model.CommandSpec spec =
      picocli.CommandLine.Model.CommandSpec.create();

  TrainCommand() {}

  @Override
  public void run() {
    throw new picocli.CommandLine.ParameterException(
        spec.commandLine(),
        "no method is given; there are: " + String.join(", ", spec.subcommands().keySet()));
  }
}
