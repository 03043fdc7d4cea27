package io.heddle.cli;

import io.heddle.backend.Backend;
import io.heddle.data.Document;
import io.heddle.data.VariablePieces;
import io.heddle.methods.lm.LmData;
import io.heddle.methods.lm.RecurrentRun;
import io.heddle.methods.lm.RecurrentTraining;
import io.heddle.methods.lm.Score;
import io.heddle.models.RecurrentLm;
import io.heddle.nn.RecurrentStack;
import io.heddle.op.ProjectedLstm;
import io.heddle.progress.ProgressListener;
import io.heddle.tensor.DType;
import io.heddle.text.Spelling;
import io.heddle.text.Tokenizer;
import io.heddle.train.RunDirectory;
import io.heddle.train.TrainConfig;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code heddle train recurrent}: a recurrent language model on text files. */
@Command(
    name = "recurrent",
    description = {
      "Trains a recurrent language model on text: with its dropouts AWD-LSTM (Merity et al. 2018);",
      "all dropouts 0 make it a plain one. The held-out text is scored with a cache of what was",
      "just read (Grave et al. 2017) and without. The same command resumes an interrupted run."
    })
final class TrainRecurrentCommand implements Callable<Integer> {
  private static final int INTERRUPTED = 1;

  @Spec private CommandSpec spec = CommandSpec.create();
  @Mixin private Session session = new Session();
  @Mixin private TextOptions text = new TextOptions();
  @Mixin private TokenizerOptions words = new TokenizerOptions();
  @Mixin private CharacterOptions spelt = new CharacterOptions();
  @Mixin private RecipeOptions recipe = new RecipeOptions();
  @Mixin private CacheOptions cache = new CacheOptions();

  @Option(names = "--out", required = true, description = "Run directory.")
  private Path out = Path.of("");

  @Option(
      names = "--cell",
      defaultValue = "LSTM",
      description = "lstm, gru or lstmp (default: lstm).")
  private RecurrentStack.Kind cell = RecurrentStack.Kind.LSTM;

  @Option(names = "--layers", defaultValue = "3", description = "Layers (default: 3).")
  private int layers;

  @Option(
      names = "--dim",
      defaultValue = "400",
      description = "Features of a token, and outputs of the last layer (default: 400).")
  private int dim;

  @Option(
      names = "--hidden",
      defaultValue = "1150",
      description = "Outputs of the other layers; of lstmp cells of all layers (default: 1150).")
  private int hidden;

  @Option(
      names = "--projection",
      defaultValue = "0",
      description = "Of lstmp, outputs of the other layers; 0: --dim (default: 0).")
  private int projection;

  @Option(
      names = "--clip-cells",
      defaultValue = "0",
      description = "Of lstmp, bound on cells; 0: none (default: 0).")
  private float clipCells;

  @Option(
      names = "--clip-outputs",
      defaultValue = "0",
      description = "Of lstmp, bound on projected outputs; 0: none (default: 0).")
  private float clipOutputs;

  @Option(
      names = "--drops",
      defaultValue = "0.65,0.2,0.4,0.1,0.5",
      split = ",",
      description =
          "Dropout of inputs, between layers, of outputs, of words, of recurrent weights (default:"
              + " 0.65,0.2,0.4,0.1,0.5).")
  private List<Float> drops = new ArrayList<>();

  @Option(
      names = "--alpha",
      defaultValue = "2",
      description = "Activation regularisation (default: 2).")
  private float alpha;

  @Option(
      names = "--beta",
      defaultValue = "1",
      description = "Temporal activation regularisation (default: 1).")
  private float beta;

  @Option(
      names = "--sampled",
      defaultValue = "0",
      description =
          "Classes drawn for the loss of a step, instead of the whole vocabulary; 0: all"
              + " (default: 0).")
  private int sampled;

  @Option(names = "--bptt", defaultValue = "70", description = "Usual length of a piece.")
  private int bptt;

  @Option(names = "--batch", defaultValue = "80", description = "Texts side by side.")
  private int batch;

  @Option(names = "--epochs", defaultValue = "10", description = "Times over the data.")
  private int epochs;

  @Option(
      names = "--lr",
      defaultValue = "30",
      description = "Learning rate of a piece of the usual length (default: 30, for sgd).")
  private float lr;

  @Option(
      names = "--decay",
      defaultValue = "CONSTANT",
      description = "${COMPLETION-CANDIDATES} (default: constant).")
  private TrainConfig.Decay decay = TrainConfig.Decay.CONSTANT;

  @Option(
      names = "--weight-decay",
      defaultValue = "1.2e-6",
      description = "Weight decay (default: 1.2e-6).")
  private float weightDecay;

  @Option(names = "--clip", defaultValue = "0.25", description = "Bound on the gradient norm.")
  private float clip;

  @Option(
      names = "--seed",
      defaultValue = "1",
      description = "Seed of everything random (default: 1).")
  private long seed;

  @Option(
      names = "--sample",
      defaultValue = "16384",
      description = "Held-out tokens of evaluations on the way (default: 16384).")
  private int sample;

  TrainRecurrentCommand() {}

  @Override
  public Integer call() throws IOException {
    RecurrentLm.Projection projected = projection();
    RecurrentLm.Drops dropped = drops();
    RecurrentLm.Characters characters = spelt.characters();
    TextOptions.Parts parts = text.parts();
    RunDirectory directory = new RunDirectory(out);
    directory.begin(Session.settings(spec, "recurrent"));
    ProgressListener progress = session.progress();
    Tokenizer tokenizer =
        words.tokenizer(
            null, out, () -> parts.train().stream().map(Document::text).iterator(), progress);
    LmData tokens = LmData.of(tokenizer, parts.train(), parts.held());
    RecurrentLm.Shape shape =
        new RecurrentLm.Shape(
            cell, known(tokenizer), dim, hidden, layers, dropped, projected, characters);
    Spelling spelling = characters == null ? null : Spelling.of(tokenizer, characters.widest());
    RecurrentRun.Setting setting =
        new RecurrentRun.Setting(
            loop(tokens),
            new RecurrentTraining.Setting(batch, bptt, alpha, beta, sampled),
            cache.options(),
            sample);
    try (Backend backend = session.open();
        RecurrentLm model = RecurrentLm.random(shape, spelling, backend, DType.F32, seed)) {
      RecurrentRun run = new RecurrentRun(model, tokens, setting, directory, progress);
      RecurrentRun.Outcome outcome =
          Session.interruptible(run::stop, () -> run.run("train recurrent"));
      return ended(outcome);
    }
  }

  private int ended(RecurrentRun.Outcome outcome) {
    Score plain = outcome.plain();
    Score cached = outcome.cached();
    if (plain == null || cached == null) {
      return INTERRUPTED;
    }
    PrintWriter writer = spec.commandLine().getOut();
    writer.printf(
        Locale.ROOT,
        "held out, %d tokens: perplexity %.2f, with cache %.2f (%.4f and %.4f bits per byte)%n",
        plain.tokens(),
        plain.perplexity(),
        cached.perplexity(),
        plain.bitsPerByte(),
        cached.bitsPerByte());
    writer.printf("model: %s%nreport: %s%n", outcome.model(), out.resolve("report.html"));
    writer.flush();
    return 0;
  }

  // The size of the vocabulary, from which classes are drawn without repetition.
  private int known(Tokenizer tokenizer) {
    int size = tokenizer.vocabularySize();
    if (sampled < 0 || sampled > size) {
      throw wrong(
          "--sampled is "
              + sampled
              + "; it can be 0 for all classes, or up to the "
              + size
              + " of the vocabulary");
    }
    return size;
  }

  private RecurrentLm.@Nullable Projection projection() {
    if (cell != RecurrentStack.Kind.LSTMP) {
      if (projection != 0 || clipCells != 0 || clipOutputs != 0) {
        throw wrong("--projection, --clip-cells and --clip-outputs are for --cell lstmp");
      }
      return null;
    }
    if (projection < 0 || clipCells < 0 || clipOutputs < 0) {
      throw wrong("--projection, --clip-cells and --clip-outputs cannot be negative");
    }
    if (projection > 0 && layers == 1) {
      throw wrong("--projection is of the layers before the last one, and --layers is 1");
    }
    return new RecurrentLm.Projection(
        projection > 0 ? projection : dim, new ProjectedLstm.Clips(clipCells, clipOutputs));
  }

  private ParameterException wrong(String what) {
    return new ParameterException(spec.commandLine(), what);
  }

  private RecurrentLm.Drops drops() {
    if (drops.size() != 5 || drops.stream().anyMatch(p -> p < 0 || p >= 1)) {
      throw wrong("--drops is " + drops + "; it takes five shares from 0 to less than 1");
    }
    return new RecurrentLm.Drops(
        drops.get(0), drops.get(1), drops.get(2), drops.get(3), drops.get(4));
  }

  private TrainConfig loop(LmData tokens) {
    VariablePieces pieces = new VariablePieces(tokens.train(), batch, bptt, seed);
    long steps = pieces.count(epochs);
    // Epochs differ by a few pieces.
    long every = Math.max(1, steps / epochs);
    return new TrainConfig(
        steps,
        1,
        lr,
        0,
        decay,
        0,
        0.9f,
        0.999f,
        1e-8f,
        weightDecay,
        true,
        clip,
        seed,
        every,
        every,
        0,
        recipe.recipe(layers));
  }
}
