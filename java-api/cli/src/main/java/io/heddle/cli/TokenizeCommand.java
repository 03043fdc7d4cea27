package io.heddle.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.heddle.data.Texts;
import io.heddle.progress.ProgressListener;
import io.heddle.text.BpeTrainer;
import io.heddle.text.Tokenizer;
import io.heddle.text.Tokenizers;
import io.heddle.text.UnigramTrainer;
import io.heddle.text.WordPieceTrainer;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/**
 * {@code heddle tokenize}: token ids of each line of standard input, or the text of ids; or learns
 * a vocabulary.
 */
@Command(
    name = "tokenize",
    description =
        "Prints the token ids of each line of standard input, or the text of ids; with --train"
            + " learns a vocabulary instead.")
final class TokenizeCommand implements Callable<Integer> {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Pattern NOT_IDS = Pattern.compile("[\\s,\\[\\]]+");

  @Spec private CommandSpec spec = CommandSpec.create();

  @Option(names = "--tokenizer", description = "Tokenizer folder or file.")
  private @Nullable Path tokenizer;

  @Option(
      names = "--train",
      paramLabel = "KIND",
      description = "Learn a vocabulary instead: bpe (of bytes), wordpiece or unigram.")
  private @Nullable String train;

  @Option(
      names = "--data",
      description = "What --train learns from: text or a folder of it; may be repeated.")
  private List<Path> data = new ArrayList<>();

  @Option(names = "--out", description = "Folder for the vocabulary that --train learns.")
  private @Nullable Path out;

  @Option(names = "--vocab", defaultValue = "8000", description = "Its pieces (default: 8000).")
  private int vocab;

  @Option(names = "--lowercase", description = "With --train wordpiece: no case, no accents.")
  private boolean lowerCase;

  @Option(names = "--quiet", description = "No progress on standard error.")
  private boolean quiet;

  @Option(names = "--json", description = "One JSON object per line, with the pieces.")
  private boolean json;

  @Option(
      names = "--decode",
      description = "Reads ids (with --json: objects with \"ids\") and prints their text.")
  private boolean decode;

  TokenizeCommand() {}

  @Override
  public Integer call() throws IOException {
    var writer = spec.commandLine().getOut();
    if (train != null) {
      Path folder = required("--out", out);
      Tokenizer learnt = learn(train, required("--data", data.isEmpty() ? null : data));
      learnt.save(folder);
      writer.println(learnt.vocabularySize() + " pieces in " + folder);
      writer.flush();
      return 0;
    }
    Tokenizer tokens = Tokenizers.load(required("--tokenizer", tokenizer));
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

  private <T> T required(String option, @Nullable T value) {
    if (value == null) {
      throw new ParameterException(
          spec.commandLine(),
          "Missing required option: '" + option + "=<" + option.substring(2) + ">'");
    }
    return value;
  }

  private Tokenizer learn(String kind, List<Path> paths) throws IOException {
    ProgressListener progress = Progress.onStandardError(quiet);
    List<String> texts = new ArrayList<>();
    for (Path path : paths) {
      Texts.read(path).forEach(document -> texts.add(document.text()));
    }
    return switch (kind.toLowerCase(Locale.ROOT)) {
      case "bpe" -> new BpeTrainer(vocab, progress).addAll(texts).train();
      case "unigram" -> new UnigramTrainer(vocab, progress).addAll(texts).train();
      case "wordpiece" -> {
        WordPieceTrainer trainer = new WordPieceTrainer(vocab, lowerCase, progress);
        texts.forEach(trainer::add);
        yield trainer.train();
      }
      default ->
          throw new IllegalArgumentException(
              "no vocabulary is of kind '" + kind + "'; there are bpe, wordpiece and unigram");
    };
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
