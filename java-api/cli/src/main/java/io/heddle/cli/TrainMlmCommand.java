package io.heddle.cli;

import io.heddle.backend.Backend;
import io.heddle.methods.pretrain.PretrainData;
import io.heddle.methods.pretrain.PretrainTasks;
import io.heddle.models.Encoder;
import io.heddle.models.Model;
import io.heddle.text.Tokenizer;
import io.heddle.train.RunDirectory;
import java.io.IOException;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code heddle train mlm}: an encoder names hidden tokens. */
@Command(
    name = "mlm",
    description = {
      "Pretrains an encoder, or goes on with it, by hidden tokens that it has to name (BERT). The"
          + " run",
      "directory holds checkpoints, metrics, the report and the model; the same command resumes an"
          + " interrupted run."
    })
final class TrainMlmCommand implements Callable<Integer> {
  @Spec private CommandSpec spec = CommandSpec.create();
  @Mixin private PretrainOptions options = new PretrainOptions();

  @Option(names = "--fresh", description = "Weights are drawn anew: only the shape is --model's.")
  private boolean fresh;

  @Option(
      names = "--rate",
      defaultValue = "0.15",
      description = "Share of tokens that are hidden (default: 0.15).")
  private double rate;

  @Option(names = "--whole-words", description = "Hide whole words.")
  private boolean words;

  TrainMlmCommand() {}

  @Override
  public Integer call() throws IOException {
    Tokenizer tokens = options.tokenizer();
    var how = new PretrainTasks.Hiding(rate, words, options.seq(), options.seed());
    RunDirectory directory = options.directory(spec, "mlm");
    PretrainData data = options.rows(tokens, how.room(tokens));
    try (Backend backend = options.backend();
        Model model = options.load(backend, fresh)) {
      if (!(model instanceof Encoder encoder)) {
        throw new IllegalArgumentException(
            options.folder() + ": " + model.config().family() + " is not an encoder");
      }
      return options.run(
          spec,
          directory,
          model.config().layers(),
          run -> run.run(PretrainTasks.masked(encoder, data, how)));
    }
  }
}
