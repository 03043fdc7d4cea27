package io.heddle.cli;

import io.heddle.backend.Backend;
import io.heddle.data.HoldOut;
import io.heddle.methods.pretrain.PretrainData;
import io.heddle.methods.pretrain.PretrainRun;
import io.heddle.models.AutoModel;
import io.heddle.models.Model;
import io.heddle.models.ModelConfig;
import io.heddle.models.ModelFolder;
import io.heddle.tensor.DType;
import io.heddle.text.Tokenizer;
import io.heddle.text.Tokenizers;
import io.heddle.train.RunDirectory;
import io.heddle.train.TrainConfig;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;

/** Options that all kinds of pretraining have in common, and what they do with them. */
final class PretrainOptions {
  private static final int DONE = 0;
  private static final int INTERRUPTED = 1;

  @Mixin private Session session = new Session();
  @Mixin private TextOptions text = new TextOptions();
  @Mixin private LoopOptions loop = new LoopOptions();
  @Mixin private StepOptions counts = new StepOptions();

  @Option(names = "--out", required = true, description = "Run directory.")
  private Path out = Path.of("");

  @Option(
      names = {"--model", "--start"},
      required = true,
      description = "Model folder: config.json and, unless --fresh, weights; a tokenizer.")
  private Path model = Path.of("");

  @Option(names = "--tokenizer", description = "Tokenizer, when the model folder has none.")
  private @Nullable Path tokenizer;

  @Option(names = "--seq", defaultValue = "128", description = "Tokens of a row (default: 128).")
  private int seq;

  @Option(names = "--batch", defaultValue = "32", description = "Rows of a batch (default: 32).")
  private int batch;

  @Option(
      names = "--lr",
      defaultValue = "0.0005",
      description = "Peak learning rate (default: 0.0005).")
  private float lr;

  @Option(
      names = "--decay",
      defaultValue = "LINEAR",
      description = "${COMPLETION-CANDIDATES} (default: linear).")
  private TrainConfig.Decay decay = TrainConfig.Decay.LINEAR;

  @Option(
      names = "--weight-decay",
      defaultValue = "0.01",
      description = "Weight decay (default: 0.01).")
  private float weightDecay;

  PretrainOptions() {}

  int seq() {
    return seq;
  }

  long seed() {
    return loop.seed();
  }

  Path folder() {
    return model;
  }

  DType elements() {
    return loop.dtype();
  }

  Backend backend() {
    return session.open();
  }

  Tokenizer tokenizer() throws IOException {
    return Tokenizers.load(tokenizer != null ? tokenizer : model);
  }

  ModelConfig config() throws IOException {
    return ModelFolder.readConfig(model.resolve("config.json"));
  }

  Model load(Backend backend, boolean fresh) throws IOException {
    return fresh
        ? AutoModel.random(config(), backend, elements(), seed())
        : AutoModel.loadPartly(model, backend, elements());
  }

  /**
   * The text in rows.
   *
   * @param length tokens of text in a row
   */
  PretrainData rows(Tokenizer tokens, int length) throws IOException {
    HoldOut parts = HoldOut.lastLines(text.documents(), text.holdOut());
    return new PretrainData(tokens, parts.train(), parts.heldOut(), length, batch, seed());
  }

  private TrainConfig config(int layers) {
    return new TrainConfig(
        counts.steps(),
        loop.accumulate(),
        lr,
        counts.warmup(),
        decay,
        0,
        0.9f,
        0.98f,
        1e-6f,
        weightDecay,
        false,
        loop.clip(),
        seed(),
        counts.evaluateEvery(),
        counts.checkpointEvery(),
        0,
        loop.recipe(layers));
  }

  /** Says which run this is; refuses a directory of another one. */
  RunDirectory directory(CommandSpec spec, String method) {
    RunDirectory directory = new RunDirectory(out);
    directory.begin(Session.settings(spec, method));
    return directory;
  }

  /** Runs a task and says what it gave; the exit code. */
  int run(
      CommandSpec spec,
      RunDirectory directory,
      int layers,
      Function<PretrainRun, PretrainRun.Outcome> body) {
    PretrainRun run = new PretrainRun(config(layers), directory, session.progress());
    PretrainRun.Outcome outcome = Session.interruptible(run::stop, () -> body.apply(run));
    if (!outcome.finished()) {
      return INTERRUPTED;
    }
    PrintWriter writer = spec.commandLine().getOut();
    writer.printf("held-out text: %s%n", Session.measures(outcome.measures()).replace('_', ' '));
    writer.printf("model: %s%nreport: %s%n", outcome.model(), out.resolve("report.html"));
    writer.flush();
    return DONE;
  }
}
