package io.heddle.cli;

import io.heddle.backend.Backend;
import io.heddle.data.SpanCorruption;
import io.heddle.methods.pretrain.PretrainData;
import io.heddle.methods.pretrain.PretrainTasks;
import io.heddle.models.GenerationConfig;
import io.heddle.models.Model;
import io.heddle.models.Translator;
import io.heddle.text.Tokenizer;
import io.heddle.train.RunDirectory;
import java.io.IOException;
import java.util.OptionalInt;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code heddle train spans}: an encoder-decoder writes what sentinels stand for. */
@Command(
    name = "spans",
    description = {
      "Pretrains an encoder-decoder, or goes on with it, by hidden spans that it has to write (T5)."
          + " Sentinels",
      "are <extra_id_0> and those before it, or the last ids of the model's vocabulary where the"
          + " tokenizer has none. The run",
      "directory holds checkpoints, metrics, the report and the model; the same command resumes an"
          + " interrupted run."
    })
final class TrainSpansCommand implements Callable<Integer> {
  @Spec private CommandSpec spec = CommandSpec.create();
  @Mixin private PretrainOptions options = new PretrainOptions();

  @Option(names = "--fresh", description = "Weights are drawn anew: only the shape is --model's.")
  private boolean fresh;

  @Option(
      names = "--rate",
      defaultValue = "0.15",
      description = "Share of tokens that are hidden (default: 0.15).")
  private double rate;

  @Option(
      names = "--span",
      defaultValue = "3",
      description = "Mean tokens of a hidden span (default: 3).")
  private double span;

  TrainSpansCommand() {}

  @Override
  public Integer call() throws IOException {
    Tokenizer tokens = options.tokenizer();
    int end = tokens.id("</s>").orElse(tokens.endOfText().orElse(-1));
    int start = GenerationConfig.read(options.folder()).start();
    if (end < 0 || start < 0) {
      throw new IllegalArgumentException(
          options.folder()
              + (end < 0
                  ? ": its tokenizer has neither </s> nor an end of text"
                  : " names no decoder_start_token_id, by which a target begins"));
    }
    SpanCorruption rule = new SpanCorruption(sentinels(tokens), end, rate, span, options.seed());
    RunDirectory directory = options.directory(spec, "spans");
    PretrainData data = options.rows(tokens, rule.lengths(options.seq()).row());
    try (Backend backend = options.backend();
        Model model = options.load(backend, fresh)) {
      if (!(model instanceof Translator translator)) {
        throw new IllegalArgumentException(
            options.folder() + ": " + model.config().family() + " is not an encoder-decoder");
      }
      return options.run(
          spec,
          directory,
          model.config().layers(),
          run -> run.run(PretrainTasks.spans(translator, data, rule, start)));
    }
  }

  // One more than the first sentinel's id.
  private int sentinels(Tokenizer tokens) throws IOException {
    OptionalInt named = tokens.id("<extra_id_0>");
    int vocabulary = options.config().vocabulary();
    if (named.isPresent()) {
      return named.getAsInt() + 1;
    }
    int spans = (int) Math.ceil(rate * options.seq() / span) + 1;
    if (tokens.vocabularySize() + spans > vocabulary) {
      throw new IllegalArgumentException(
          "the tokenizer has no <extra_id_0>, and behind its "
              + tokens.vocabularySize()
              + " tokens the model's vocabulary of "
              + vocabulary
              + " has no room for "
              + spans
              + " sentinels");
    }
    return vocabulary;
  }
}
