package io.heddle.cli;

import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code heddle finetune}: one verb per task below it. */
@Command(
    name = "finetune",
    description = "Trains a model for a task, on files in plain formats.",
    synopsisSubcommandLabel = "TASK",
    subcommands = {
      FinetuneClassifyCommand.class,
      FinetuneTagCommand.class,
      FinetuneSummarizeCommand.class,
      FinetuneQaCommand.class,
      FinetuneTranslateCommand.class,
      TrainLmCommand.class
    })
final class FinetuneCommand implements Runnable {
  @Spec private CommandSpec spec = CommandSpec.create();

  FinetuneCommand() {}

  @Override
  public void run() {
    throw new ParameterException(
        spec.commandLine(),
        "no task is given; there are: " + String.join(", ", spec.subcommands().keySet()));
  }
}
