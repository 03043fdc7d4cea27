package io.heddle.cli;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.heddle.text.Tokenizer;
import io.heddle.text.Tokenizers;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
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
@Command(name = "tokenize", description = "Prints the token ids of each line of standard input.")
final class TokenizeCommand implements Callable<Integer> {
  @Spec private CommandSpec spec = CommandSpec.create();

  @Option(names = "--tokenizer", required = true, description = "Tokenizer folder or file.")
  private Path tokenizer = Path.of("");

  @Option(names = "--json", description = "One JSON object per line, with the pieces.")
  private boolean json;

  TokenizeCommand() {}

  @Override
  public Integer call() throws IOException {
    Tokenizer tokens = Tokenizers.load(tokenizer);
    ObjectMapper mapper = new ObjectMapper();
    var writer = spec.commandLine().getOut();
    try (BufferedReader in =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8))) {
      for (String line = in.readLine(); line != null; line = in.readLine()) {
        int[] ids = tokens.encode(line);
        if (json) {
          ObjectNode node = mapper.createObjectNode();
          var numbers = node.putArray("ids");
          var pieces = node.putArray("pieces");
          for (int id : ids) {
            numbers.add(id);
            pieces.add(tokens.token(id));
          }
          writer.println(node);
        } else {
          writer.println(
              Arrays.stream(ids).mapToObj(String::valueOf).collect(Collectors.joining(" ")));
        }
      }
    }
    writer.flush();
    return 0;
  }
}
