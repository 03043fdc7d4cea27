package io.heddle.cli;

import io.heddle.checkpoint.Inspection;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code heddle inspect FILE}: what a safetensors file holds. */
@Command(
    name = "inspect",
    description = "Shows the tensors of a safetensors file: names, dtypes, shapes, bytes.")
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
    PrintWriter out = spec.commandLine().getOut();
    out.println(json ? inspection.toJson() : inspection.toText().stripTrailing());
    out.flush();
    return 0;
  }
}
