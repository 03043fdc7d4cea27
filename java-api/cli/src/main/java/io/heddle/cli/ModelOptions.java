package io.heddle.cli;

import io.heddle.backend.Backend;
import io.heddle.models.AutoModel;
import io.heddle.models.Decoder;
import io.heddle.models.Loading;
import io.heddle.models.Model;
import io.heddle.models.ModelFolder;
import io.heddle.text.Tokenizer;
import io.heddle.text.Tokenizers;
import java.io.IOException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** The model of a verb that runs one: where it lies, and how it is loaded. */
final class ModelOptions {
  @Option(names = "--model", required = true, description = "Model folder.")
  private Path folder = Path.of("");

  @Option(names = "--tokenizer", description = "Tokenizer, when the model folder has none.")
  private @Nullable Path tokenizer;

  @Option(names = "--dtype", defaultValue = "f32", description = "f32 or bf16 (default: f32).")
  private String dtype = "f32";

  @Option(
      names = "--allow-partial",
      description =
          "Load a folder that lacks tensors of heads, which are drawn at random, or has some that"
              + " the model does not use.")
  private boolean partial;

  @Option(
      names = "--weights",
      defaultValue = "exact",
      description =
          "exact: as --dtype says (default); int8: eight bits for each weight of the blocks' linear"
              + " layers, a quarter of the memory of f32.")
  private String weights = "exact";

  ModelOptions() {}

  Path folder() {
    return folder;
  }

  Tokenizer tokenizer() throws IOException {
    return Tokenizers.load(tokenizer != null ? tokenizer : folder);
  }

  Model load(Backend backend) {
    if (!weights.equals("exact") && !weights.equals("int8")) {
      throw new IllegalArgumentException("--weights is '" + weights + "'; it can be exact or int8");
    }
    Loading how = Loading.as(Session.dtype(dtype));
    Loading read = how.partly(partial).inEightBits(weights.equals("int8")).mapped(true);
    return AutoModel.load(folder, backend, read);
  }

  Decoder decoder(Backend backend) {
    return ModelFolder.decoder(load(backend), folder);
  }
}
