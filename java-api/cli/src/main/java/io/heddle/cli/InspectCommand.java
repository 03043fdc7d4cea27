package io.heddle.cli;

import io.heddle.checkpoint.Inspection;
import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code heddle inspect}: what a safetensors file holds. */
@Command(name = "inspect", description = "Lists the tensors and notes of a safetensors file.")
final class InspectCommand implements Callable<Integer> {
  @Spec private CommandSpec spec = CommandSpec.create();

  @Parameters(paramLabel = "FILE", description = "A .safetensors file.")
  private Path file = Path.of("");

  @Option(names = "--json", description = "Print one JSON object.")
  private boolean json;

  InspectCommand() {}

  @Override
  public Integer call() throws IOException {
    Inspection inspection = Inspection.of(file);
    var writer = spec.commandLine().getOut();
    writer.println(json ? inspection.toJson() : inspection.toText().stripTrailing());
    writer.flush();
    return 0;
  }
}
