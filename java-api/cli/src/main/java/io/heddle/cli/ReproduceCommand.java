package io.heddle.cli;

import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code heddle reproduce}: a paper's comparison at small scale, one verb per paper below it. */
@Command(
    name = "reproduce",
    description = "Runs a paper's comparison again at small scale, with tables and charts.",
    synopsisSubcommandLabel = "PAPER",
    subcommands = {
      ReproduceDemCommand.class,
      ReproduceMasformerCommand.class,
      ReproduceToolkitCommand.class
    })
final class ReproduceCommand implements Runnable {
  @Spec private CommandSpec spec = CommandSpec.create();

  ReproduceCommand() {}

  @Override
  public void run() {
    throw new ParameterException(
        spec.commandLine(), "no paper is given; there are: dem, masformer, toolkit");
  }
}
