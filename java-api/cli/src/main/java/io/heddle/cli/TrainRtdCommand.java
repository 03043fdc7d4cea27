package io.heddle.cli;

import io.heddle.backend.Backend;
import io.heddle.methods.pretrain.JointReplacement;
import io.heddle.methods.pretrain.PretrainData;
import io.heddle.methods.pretrain.PretrainTasks;
import io.heddle.models.ModelConfig;
import io.heddle.models.ModelFolder;
import io.heddle.text.Tokenizer;
import io.heddle.train.RunDirectory;
import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code heddle train rtd}: an encoder finds the tokens that a small one has replaced. */
@Command(
    name = "rtd",
    description = {
      "Pretrains an encoder from nothing by finding tokens that a generator, which learns with it,"
          + " has replaced (ELECTRA).",
      "Both are drawn anew in the shapes of --model and --generator and share their embeddings. The"
          + " run",
      "directory holds checkpoints, metrics, the report, the model and the generator; the same"
          + " command resumes an interrupted run."
    })
final class TrainRtdCommand implements Callable<Integer> {
  @Spec private CommandSpec spec = CommandSpec.create();
  @Mixin private PretrainOptions options = new PretrainOptions();

  @Option(
      names = "--generator",
      required = true,
      description = "Folder with the generator's config.json, of a model for hidden tokens.")
  private Path generator = Path.of("");

  @Option(
      names = "--rate",
      defaultValue = "0.15",
      description = "Share of tokens that are hidden (default: 0.15).")
  private double rate;

  @Option(names = "--whole-words", description = "Hide whole words.")
  private boolean words;

  @Option(
      names = "--weight",
      defaultValue = "50",
      description = "Factor on the discriminator's loss (default: 50).")
  private float weight = JointReplacement.WEIGHT;

  TrainRtdCommand() {}

  @Override
  public Integer call() throws IOException {
    Tokenizer tokens = options.tokenizer();
    var how = new PretrainTasks.Hiding(rate, words, options.seq(), options.seed());
    RunDirectory directory = options.directory(spec, "rtd");
    PretrainData data = options.rows(tokens, how.room(tokens));
    ModelConfig judge = options.config();
    ModelConfig writer = ModelFolder.readConfig(generator.resolve("config.json"));
    try (Backend backend = options.backend();
        JointReplacement models =
            JointReplacement.random(writer, judge, backend, options.elements(), options.seed())) {
      return options.run(
          spec,
          directory,
          judge.layers(),
          run -> run.run(PretrainTasks.replaced(models, data, how, weight)));
    }
  }
}
