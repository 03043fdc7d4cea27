package io.heddle.cli;

import io.heddle.backend.Backend;
import io.heddle.data.Document;
import io.heddle.data.HoldOut;
import io.heddle.data.Texts;
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
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
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
  @Mixin private RecipeOptions recipe = new RecipeOptions();

  @Option(
      names = "--data",
      required = true,
      description = "Text (.txt, .jsonl, either .gz) or a folder of it; may be repeated.")
  private List<Path> data = new ArrayList<>();

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
      names = "--accumulate",
      defaultValue = "1",
      description = "Batches per step (default: 1).")
  private int accumulate;

  @Option(names = "--steps", defaultValue = "1000", description = "Steps (default: 1000).")
  private long steps;

  @Option(
      names = "--lr",
      defaultValue = "0.0005",
      description = "Peak learning rate (default: 0.0005).")
  private float lr;

  @Option(
      names = "--warmup",
      defaultValue = "-1",
      description = "Warm-up steps; -1: 5 %% of --steps.")
  private long warmup;

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

  @Option(
      names = "--clip",
      defaultValue = "1",
      description = "Bound on the gradient norm; 0: none.")
  private float clip;

  @Option(names = "--dtype", defaultValue = "f32", description = "f32 or bf16 (default: f32).")
  private String dtype = "f32";

  @Option(
      names = "--seed",
      defaultValue = "1",
      description = "Seed of everything random (default: 1).")
  private long seed;

  @Option(
      names = "--hold-out",
      defaultValue = "0.05",
      description = "Share of each document's last lines kept for evaluation (default: 0.05).")
  private double holdOut;

  @Option(names = "--eval-every", defaultValue = "100", description = "Steps between evaluations.")
  private long evalEvery;

  @Option(
      names = "--checkpoint-every",
      defaultValue = "100",
      description = "Steps between checkpoints.")
  private long checkpointEvery;

  PretrainOptions() {}

  int seq() {
    return seq;
  }

  long seed() {
    return seed;
  }

  Path folder() {
    return model;
  }

  DType elements() {
    return Session.dtype(dtype);
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
        ? AutoModel.random(config(), backend, elements(), seed)
        : AutoModel.loadPartly(model, backend, elements());
  }

  /**
   * The text in rows.
   *
   * @param length tokens of text in a row
   */
  PretrainData rows(Tokenizer tokens, int length) throws IOException {
    List<Document> all = new ArrayList<>();
    for (Path path : data) {
      all.addAll(Texts.read(path));
    }
    HoldOut parts = HoldOut.lastLines(all, holdOut);
    return new PretrainData(tokens, parts.train(), parts.heldOut(), length, batch, seed);
  }

  private TrainConfig loop(int layers) {
    return new TrainConfig(
        steps,
        accumulate,
        lr,
        warmup >= 0 ? warmup : steps / 20,
        decay,
        0,
        0.9f,
        0.98f,
        1e-6f,
        weightDecay,
        false,
        clip,
        seed,
        evalEvery,
        checkpointEvery,
        0,
        recipe.recipe(layers));
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
    PretrainRun run = new PretrainRun(loop(layers), directory, session.progress());
    PretrainRun.Outcome outcome = Session.interruptible(run::stop, () -> body.apply(run));
    if (!outcome.finished()) {
      return INTERRUPTED;
    }
    PrintWriter writer = spec.commandLine().getOut();
    StringBuilder line = new StringBuilder();
    outcome
        .measures()
        .forEach(
            (name, value) ->
                line.append(line.isEmpty() ? "" : ", ")
                    .append(String.format(Locale.ROOT, "%s %.4f", name.replace('_', ' '), value)));
    writer.printf("held-out text: %s%n", line);
    writer.printf("model: %s%nreport: %s%n", outcome.model(), out.resolve("report.html"));
    writer.flush();
    return DONE;
  }
}
