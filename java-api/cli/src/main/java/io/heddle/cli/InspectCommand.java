package io.heddle.cli;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.heddle.checkpoint.Checkpoint;
import io.heddle.checkpoint.Inspection;
import io.heddle.checkpoint.merge.Digests;
import io.heddle.models.ModelFolder;
import java.io.IOException;
import java.nio.file.Files;
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
        "Lists the tensors and notes of a safetensors file, a file of torch.save, or a folder; of a"
            + " model folder also its shape, size and the attention of each layer.")
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
    writer.println(json ? object(inspection) : table(inspection));
    writer.flush();
    return 0;
  }

  private String table(Inspection inspection) throws IOException {
    String tensors = inspection.toText().stripTrailing();
    if (!Files.exists(config())) {
      return tensors;
    }
    try {
      return tensors + "\n\n" + card().text();
    } catch (IllegalArgumentException e) {
      return tensors + "\n\nnot a model that heddle runs: " + e.getMessage();
    }
  }

  private ObjectNode object(Inspection inspection) throws IOException {
    ObjectNode node = (ObjectNode) new ObjectMapper().readTree(inspection.toJson());
    if (Files.exists(config())) {
      try {
        node.set("model", card().json());
      } catch (IllegalArgumentException e) {
        node.put("not_a_model", e.getMessage());
      }
    }
    return node;
  }

  // A file of weights has no shape of a model, and a folder may hold something else than one.
  private Path config() {
    return file.resolve("config.json");
  }

  private ModelCard card() throws IOException {
    return new ModelCard(ModelFolder.readConfig(config()));
  }
}
