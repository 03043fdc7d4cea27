package io.heddle.cli;

import io.heddle.backend.Backend;
import io.heddle.backend.Backends;
import io.heddle.models.Decoder;
import io.heddle.models.ModelConfig;
import io.heddle.models.ModelFolder;
import io.heddle.progress.ProgressListener;
import io.heddle.tensor.DType;
import io.heddle.text.BpeTrainer;
import io.heddle.text.Tokenizer;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/**
 * A random decoder with its tokenizer in a folder, and verbs run on it by the reference backend.
 */
final class TinyModel {
  static final int CONTEXT = 64;

  private final Path folder;
  private final StringWriter out = new StringWriter();
  private final StringWriter err = new StringWriter();

  TinyModel(Path folder) throws IOException {
    this.folder = folder;
    Tokenizer tokenizer =
        new BpeTrainer(280, ProgressListener.NONE)
            .add("the loom lifts the thread; the thread crosses the warp. (A) (B) A B C D\n")
            .train();
    tokenizer.save(folder);
    ModelConfig config =
        ModelConfig.gpt2(tokenizer.vocabularySize(), 16, 3, 2, CONTEXT, "window:8,full@1");
    try (Backend backend = Backends.open("reference");
        Decoder model = Decoder.random(config, backend, DType.F32, 5)) {
      ModelFolder.save(model, folder, Map.of());
    }
  }

  Path folder() {
    return folder;
  }

  /** Runs {@code verb --model FOLDER --backend reference --quiet} with more arguments. */
  int run(String verb, String... more) {
    return verb(
        java.util.stream.Stream.concat(
                java.util.stream.Stream.of(
                    verb, "--model", folder.toString(), "--backend", "reference", "--quiet"),
                java.util.stream.Stream.of(more))
            .toArray(String[]::new));
  }

  /** Runs a verb with its arguments. */
  int verb(String... arguments) {
    out.getBuffer().setLength(0);
    err.getBuffer().setLength(0);
    return Main.run(new PrintWriter(out), new PrintWriter(err, true), arguments);
  }

  /** What the last verb printed. */
  String out() {
    return out.toString();
  }

  List<String> lines() {
    return out.toString().lines().toList();
  }

  /** What the last verb complained of. */
  String err() {
    return err.toString();
  }
}
