package io.heddle.cli;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.heddle.backend.Backend;
import io.heddle.models.BeamScoring;
import io.heddle.models.BeamSearch;
import io.heddle.models.Decoder;
import io.heddle.models.GenerationConfig;
import io.heddle.models.Hypothesis;
import io.heddle.models.Model;
import io.heddle.models.NextTokenModel;
import io.heddle.models.Sampler;
import io.heddle.models.TokenRules;
import io.heddle.models.Translator;
import io.heddle.text.Tokenizer;
import java.io.IOException;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code heddle generate}: continues a text, or writes the target of an encoder-decoder. */
@Command(name = "generate", description = "Continues a text with a model.")
final class GenerateCommand implements Callable<Integer> {
  @Spec private CommandSpec spec = CommandSpec.create();
  @Mixin private Session session = new Session();
  @Mixin private ModelOptions model = new ModelOptions();

  @Option(names = "--prompt", defaultValue = "", description = "The text to continue.")
  private String prompt = "";

  @Option(
      names = "--max-tokens",
      defaultValue = "100",
      description = "Most new tokens (default: 100).")
  private int maxTokens;

  @Option(
      names = "--min-tokens",
      defaultValue = "0",
      description = "Fewest new tokens before the text may end (default: 0).")
  private int minTokens;

  @Option(
      names = "--n-best",
      defaultValue = "1",
      description = "Continuations wanted: samples, or the best of the beams (default: 1).")
  private int nBest;

  @Option(
      names = "--beams",
      defaultValue = "1",
      description =
          "Beams of a search for the most likely text; temperature, top-k, top-p, min-p and"
              + " typical-p then say nothing (default: 1, no search).")
  private int beams;

  @Option(
      names = "--length-penalty",
      description =
          "With beams: exponent of the length that scores are divided by; larger favours longer"
              + " texts (default: 1).")
  private @Nullable Double lengthPenalty;

  @Option(
      names = "--scoring",
      defaultValue = "huggingface",
      description =
          "With beams: huggingface, divided by tokens^penalty; or gluonnlp, by"
              + " ((5+tokens)/6)^penalty (default: huggingface).")
  private String scoring = "huggingface";

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

  @Option(
      names = "--min-p",
      defaultValue = "0",
      description = "Only tokens with this part of the most likely one's probability; 0: all.")
  private double minP;

  @Option(
      names = "--typical-p",
      defaultValue = "1",
      description = "Only tokens of typical surprise with this probability together; 1: all.")
  private double typicalP;

  @Option(
      names = "--repetition-penalty",
      defaultValue = "1",
      description = "Above 1: tokens that the text has become less likely (default: 1).")
  private double repetitionPenalty;

  @Option(
      names = "--no-repeat-ngram",
      defaultValue = "0",
      description = "No sequence of this many tokens comes twice; 0: any may.")
  private int noRepeatNgram;

  @Option(names = "--seed", defaultValue = "1", description = "Seed (default: 1).")
  private long seed;

  @Option(names = "--json", description = "Print JSON with text, ids and scores, a line each.")
  private boolean json;

  GenerateCommand() {}

  @Override
  public Integer call() throws IOException {
    Tokenizer tokens = model.tokenizer();
    try (Backend backend = session.open();
        Model loaded = model.load(backend)) {
      GenerationConfig config = GenerationConfig.read(model.folder());
      Set<Integer> ends = new HashSet<>(config.ends());
      tokens.endOfText().ifPresent(ends::add);
      ends.removeIf(id -> id < 0 || id >= loaded.config().vocabulary());
      switch (loaded) {
        case Decoder decoder -> {
          int[] start = tokens.prompt(prompt);
          int room = decoder.config().context() - start.length;
          print(tokens, prompt, start, run(decoder, start, Math.min(maxTokens, room), ends), ends);
        }
        case Translator translator -> {
          if (config.start() < 0) {
            throw new IllegalArgumentException(
                model.folder() + " names no decoder_start_token_id, by which a target begins");
          }
          // Sources end as they did in training: with the end of text.
          int[] text = tokens.encode(prompt);
          int[] last = tokens.endOfText().stream().toArray();
          int[][] source = {IntStream.concat(Arrays.stream(text), Arrays.stream(last)).toArray()};
          int[] start = {config.start()};
          print(tokens, "", source[0], run(translator.over(source), start, maxTokens, ends), ends);
        }
        default ->
            throw new IllegalArgumentException(
                model.folder()
                    + ": "
                    + loaded.config().family()
                    + " is an encoder and writes nothing");
      }
      return 0;
    }
  }

  private List<Hypothesis> run(NextTokenModel of, int[] start, int room, Set<Integer> ends) {
    TokenRules rules = new TokenRules(repetitionPenalty, noRepeatNgram, minTokens, null);
    int count = Math.max(0, room);
    if (beams > 1 && count > 0) {
      return new BeamSearch(new BeamSearch.Options(beams, nBest, count, ends, rules, scoring()))
          .search(of, new int[][] {start})
          .getFirst();
    }
    Sampler.Options options =
        new Sampler.Options(temperature, topK, topP, minP, typicalP, rules, seed);
    return new Sampler(options)
        .continuations(
            of, new int[][] {start}, new Sampler.Limits(nBest, count, ends), (t, s, token) -> true);
  }

  private BeamScoring scoring() {
    double penalty = lengthPenalty == null ? 1 : lengthPenalty;
    return switch (scoring) {
      case "huggingface" -> new BeamScoring.HuggingFace(penalty, BeamScoring.Stopping.LIKELY);
      case "gluonnlp" -> new BeamScoring.Normalised(penalty, 5);
      default ->
          throw new IllegalArgumentException(
              "--scoring is '" + scoring + "'; it can be huggingface or gluonnlp");
    };
  }

  // One text a line of its own; more of them with their scores in JSON.
  private void print(
      Tokenizer tokens, String before, int[] start, List<Hypothesis> found, Set<Integer> ends) {
    var writer = spec.commandLine().getOut();
    for (Hypothesis h : found) {
      int length = h.tokens().length;
      boolean end = length > 0 && ends.contains(h.tokens()[length - 1]);
      int[] fresh = Arrays.copyOf(h.tokens(), end ? length - 1 : length);
      String text = before + tokens.decode(fresh);
      if (json) {
        ObjectNode node = new ObjectMapper().createObjectNode().put("text", text);
        var given = node.putArray("prompt_ids");
        Arrays.stream(start).forEach(given::add);
        var ids = node.putArray("ids");
        Arrays.stream(fresh).forEach(ids::add);
        node.put("score", h.score()).put("log_probability", h.logProbability());
        writer.println(node);
      } else {
        writer.println(text);
      }
    }
    writer.flush();
  }
}
