package io.heddle.cli;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.heddle.backend.Backend;
import io.heddle.data.Document;
import io.heddle.data.Texts;
import io.heddle.methods.lm.LanguageModeling;
import io.heddle.methods.lm.LmData;
import io.heddle.methods.lm.Score;
import io.heddle.models.Decoder;
import io.heddle.models.ModelFolder;
import io.heddle.text.Tokenizers;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code heddle evaluate}: loss, perplexity and bits per byte of a model on text. */
@Command(
    name = "evaluate",
    description = "Scores text with a model: loss, perplexity, bits per byte (all bytes counted).")
final class EvaluateCommand implements Callable<Integer> {
  @Spec private CommandSpec spec = CommandSpec.create();
  @Mixin private Session session = new Session();

  @Option(names = "--model", required = true, description = "Model folder.")
  private Path model = Path.of("");

  @Option(
      names = "--data",
      required = true,
      description = "Text or a folder of it; may be repeated.")
  private List<Path> data = new ArrayList<>();

  @Option(
      names = "--hold-out",
      defaultValue = "1",
      description = "Score only this share of each document's last lines (default: 1, all).")
  private double holdOut;

  @Option(
      names = "--seq",
      defaultValue = "0",
      description = "Window in tokens; 0: the model's context.")
  private int seq;

  @Option(names = "--batch", defaultValue = "4", description = "Windows of a batch (default: 4).")
  private int batch;

  @Option(names = "--dtype", defaultValue = "f32", description = "f32 or bf16 (default: f32).")
  private String dtype = "f32";

  @Option(names = "--json", description = "Print one JSON object.")
  private boolean json;

  EvaluateCommand() {}

  @Override
  public Integer call() throws IOException {
    List<Document> held = new ArrayList<>();
    for (Path path : data) {
      for (Document document : Texts.read(path)) {
        held.add(holdOut >= 1 ? document : document.holdOut(holdOut).get(1));
      }
    }
    LmData tokens = LmData.of(Tokenizers.load(model), List.of(), held);
    try (Backend backend = session.open();
        Decoder decoder = ModelFolder.load(model, backend, Session.dtype(dtype))) {
      int window = seq > 0 ? seq : decoder.config().context();
      Score score =
          LanguageModeling.evaluate(
              decoder,
              tokens.heldBatches(window, Math.max(1, window / 2), batch),
              tokens.heldBytes(),
              session.progress());
      var writer = spec.commandLine().getOut();
      if (json) {
        writer.println(
            new ObjectMapper()
                .createObjectNode()
                .put("loss", score.loss())
                .put("perplexity", score.perplexity())
                .put("bits_per_byte", score.bitsPerByte())
                .put("tokens", score.tokens())
                .put("bytes", score.bytes()));
      } else {
        writer.printf(
            Locale.ROOT,
            "%d tokens, %d bytes: loss %.4f nats per token, perplexity %.2f, %.4f bits per byte%n",
            score.tokens(),
            score.bytes(),
            score.loss(),
            score.perplexity(),
            score.bitsPerByte());
      }
      writer.flush();
      return 0;
    }
  }
}
