package io.heddle.cli;

import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code heddle vectors}: word vectors; one verb per task below it. */
@Command(
    name = "vectors",
    description = "Trains word vectors, and asks them.",
    synopsisSubcommandLabel = "TASK",
    subcommands = {
      VectorsTrainCommand.class,
      VectorsNeighboursCommand.class,
      VectorsSimilarityCommand.class,
      VectorsAnalogyCommand.class
    })
final class VectorsCommand implements Runnable {
  @Spec private CommandSpec spec = CommandSpec.create();

  VectorsCommand() {}

  @Override
  public void run() {
    throw new ParameterException(
        spec.commandLine(),
        "no task is given; there are: " + String.join(", ", spec.subcommands().keySet()));
  }
}
