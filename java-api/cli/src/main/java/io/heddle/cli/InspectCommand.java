package io.heddle.cli;

import io.heddle.checkpoint.Checkpoint;
import io.heddle.checkpoint.Inspection;
import io.heddle.checkpoint.merge.Digests;
import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code heddle inspect}: what a checkpoint holds. */
@Command(
    name = "inspect",
    description =
        "Lists the tensors and notes of a safetensors file, a file of torch.save, or a folder.")
final class InspectCommand implements Callable<Integer> {
  @Spec private CommandSpec spec = CommandSpec.create();

  @Parameters(paramLabel = "FILE", description = "A file, an index, or a model folder.")
  private Path file = Path.of("");

  @Option(names = "--json", description = "Print one JSON object.")
  private boolean json;

  @Option(
      names = "--digest",
      description = "Print the digest of what it holds alone, as the metadata of merges has it.")
  private boolean digest;

  InspectCommand() {}

  @Override
  public Integer call() throws IOException {
    var writer = spec.commandLine().getOut();
    if (digest) {
      try (Checkpoint checkpoint = Checkpoint.open(file)) {
        writer.println(Digests.of(checkpoint));
      }
      writer.flush();
      return 0;
    }
    Inspection inspection = Inspection.of(file);
    writer.println(json ? inspection.toJson() : inspection.toText().stripTrailing());
    writer.flush();
    return 0;
  }
}
