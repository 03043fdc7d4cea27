package io.heddle.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
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
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code heddle tokenize}: token ids of each line of standard input, or the text of ids. */
@Command(
    name = "tokenize",
    description = "Prints the token ids of each line of standard input, or the text of ids.")
final class TokenizeCommand implements Callable<Integer> {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Pattern NOT_IDS = Pattern.compile("[\\s,\\[\\]]+");

  @Spec private CommandSpec spec = CommandSpec.create();

  @Option(names = "--tokenizer", required = true, description = "Tokenizer folder or file.")
  private Path tokenizer = Path.of("");

  @Option(names = "--json", description = "One JSON object per line, with the pieces.")
  private boolean json;

  @Option(
      names = "--decode",
      description = "Reads ids (with --json: objects with \"ids\") and prints their text.")
  private boolean decode;

  TokenizeCommand() {}

  @Override
  public Integer call() throws IOException {
    Tokenizer tokens = Tokenizers.load(tokenizer);
    var writer = spec.commandLine().getOut();
    try (BufferedReader in =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8))) {
      int number = 1;
      for (String line = in.readLine(); line != null; line = in.readLine()) {
        try {
          writer.println(decode ? text(tokens, line) : ids(tokens, line));
        } catch (IllegalArgumentException e) {
          throw new IllegalArgumentException("line " + number + ": " + e.getMessage(), e);
        }
        number++;
      }
    }
    writer.flush();
    return 0;
  }

  private String ids(Tokenizer tokens, String line) {
    int[] ids = tokens.encode(line);
    if (!json) {
      return Arrays.stream(ids).mapToObj(String::valueOf).collect(Collectors.joining(" "));
    }
    ObjectNode node = JSON.createObjectNode();
    var numbers = node.putArray("ids");
    var pieces = node.putArray("pieces");
    for (int id : ids) {
      numbers.add(id);
      pieces.add(tokens.token(id));
    }
    return node.toString();
  }

  private String text(Tokenizer tokens, String line) {
    String listed = line;
    if (json) {
      try {
        listed = JSON.readTree(line).path("ids").toString();
      } catch (JsonProcessingException e) {
        throw new IllegalArgumentException("not JSON: " + e.getOriginalMessage(), e);
      }
      if (!listed.startsWith("[")) {
        throw new IllegalArgumentException("the object has no list of \"ids\"");
      }
    }
    int[] ids =
        NOT_IDS
            .splitAsStream(listed)
            .filter(id -> !id.isEmpty())
            .mapToInt(TokenizeCommand::id)
            .toArray();
    String text = tokens.decode(ids);
    return json ? JSON.createObjectNode().put("text", text).toString() : text;
  }

  private static int id(String text) {
    try {
      return Integer.parseInt(text);
    } catch (NumberFormatException e) {
      throw new IllegalArgumentException("'" + text + "' is not a token id", e);
    }
  }
}
