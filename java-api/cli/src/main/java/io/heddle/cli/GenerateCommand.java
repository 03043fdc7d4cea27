package io.heddle.cli;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.heddle.backend.Backend;
import io.heddle.models.Decoder;
import io.heddle.models.ModelFolder;
import io.heddle.models.Sampler;
import io.heddle.text.Tokenizer;
import io.heddle.text.Tokenizers;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code heddle generate}: continues a text. */
@Command(name = "generate", description = "Continues a text with a model.")
final class GenerateCommand implements Callable<Integer> {
  @Spec private CommandSpec spec = CommandSpec.create();
  @Mixin private Session session = new Session();

  @Option(names = "--model", required = true, description = "Model folder.")
  private Path model = Path.of("");

  @Option(names = "--tokenizer", description = "Tokenizer, when the model folder has none.")
  private @Nullable Path tokenizer;

  @Option(names = "--prompt", defaultValue = "", description = "The text to continue.")
  private String prompt = "";

  @Option(
      names = "--max-tokens",
      defaultValue = "100",
      description = "Most new tokens (default: 100).")
  private int maxTokens;

  @Option(
      names = "--temperature",
      defaultValue = "0.8",
      description = "0: the most likely token (default: 0.8).")
  private double temperature;

  @Option(names = "--top-k", defaultValue = "0", description = "Only the k most likely; 0: all.")
  private int topK;

  @Option(
      names = "--top-p",
      defaultValue = "1",
      description = "Only the nucleus of this probability; 1: all.")
  private double topP;

  @Option(names = "--seed", defaultValue = "1", description = "Seed (default: 1).")
  private long seed;

  @Option(names = "--dtype", defaultValue = "f32", description = "f32 or bf16 (default: f32).")
  private String dtype = "f32";

  @Option(names = "--json", description = "Print one JSON object with ids and text.")
  private boolean json;

  GenerateCommand() {}

  @Override
  public Integer call() throws IOException {
    Tokenizer tokens = Tokenizers.load(tokenizer != null ? tokenizer : model);
    Sampler.Options options = new Sampler.Options(temperature, topK, topP, seed);
    try (Backend backend = session.open();
        Decoder decoder = ModelFolder.load(model, backend, Session.dtype(dtype))) {
      int end = tokens.endOfText().orElse(-1);
      int[] ids = tokens.prompt(prompt);
      int[] start = ids.length > 0 || end < 0 ? ids : new int[] {end};
      int room = Math.min(maxTokens, decoder.config().context() - start.length);
      int[] all = new Sampler(options).generate(decoder, start, Math.max(0, room), id -> id != end);
      int last =
          all.length > start.length && all[all.length - 1] == end ? all.length - 1 : all.length;
      int[] fresh = Arrays.copyOfRange(all, start.length, last);
      print(prompt + tokens.decode(fresh), start, fresh);
      return 0;
    }
  }

  private void print(String text, int[] start, int[] fresh) {
    var writer = spec.commandLine().getOut();
    if (json) {
      ObjectNode node = new ObjectMapper().createObjectNode().put("text", text);
      var given = node.putArray("prompt_ids");
      Arrays.stream(start).forEach(given::add);
      var ids = node.putArray("ids");
      Arrays.stream(fresh).forEach(ids::add);
      writer.println(node);
    } else {
      writer.println(text);
    }
    writer.flush();
  }
}
