package io.heddle.cli;

import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code heddle plan}: what a choice will cost, before it is paid. */
@Command(
    name = "plan",
    description = "Says what a choice will cost before it is paid.",
    synopsisSubcommandLabel = "CHOICE",
    subcommands = PlanLongRangeCommand.class)
final class PlanCommand implements Runnable {
  @Spec private CommandSpec spec = CommandSpec.create();

  PlanCommand() {}

  @Override
  public void run() {
    throw new ParameterException(spec.commandLine(), "no choice is given; there is: longrange");
  }
}
