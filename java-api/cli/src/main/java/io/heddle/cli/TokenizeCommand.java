package io.heddle.cli;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.heddle.text.Tokenizer;
import io.heddle.text.Tokenizers;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code heddle tokenize}: token ids of each line of standard input. */
@Command(
    name = "tokenize",
    description = "Prints the token ids of each line of standard input (UTF-8).")
final class TokenizeCommand implements Callable<Integer> {
  private static final ObjectMapper JSON = new ObjectMapper();

  @Spec private CommandSpec spec = CommandSpec.create();

  @Option(
      names = "--tokenizer",
      required = true,
      paramLabel = "PATH",
      description = "A tokenizer file, or the folder of a model.")
  private Path tokenizer = Path.of("");

  @Option(names = "--json", description = "Print one JSON object per line: ids and pieces.")
  private boolean json;

  TokenizeCommand() {}

  @Override
  public Integer call() throws IOException {
    Tokenizer loaded = Tokenizers.load(tokenizer);
    PrintWriter out = spec.commandLine().getOut();
    try (BufferedReader in =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8))) {
      for (String line = in.readLine(); line != null; line = in.readLine()) {
        int[] ids = loaded.encode(line);
        out.println(json ? object(loaded, ids) : plain(ids));
        // One at a time to a reader that waits, in blocks to one that does not.
        if (!in.ready()) {
          out.flush();
        }
      }
    }
    out.flush();
    return 0;
  }

  private static String plain(int[] ids) {
    return Arrays.stream(ids).mapToObj(Integer::toString).collect(Collectors.joining(" "));
  }

  private static String object(Tokenizer tokenizer, int[] ids) {
    ObjectNode object = JSON.createObjectNode();
    ArrayNode numbers = object.putArray("ids");
    ArrayNode pieces = object.putArray("pieces");
    for (int id : ids) {
      numbers.add(id);
      pieces.add(tokenizer.token(id));
    }
    return object.toString();
  }
}
