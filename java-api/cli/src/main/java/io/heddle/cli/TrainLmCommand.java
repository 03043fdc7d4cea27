package io.heddle.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.heddle.backend.Backend;
import io.heddle.backend.collective.Collective;
import io.heddle.data.Document;
import io.heddle.data.LengthCurriculum;
import io.heddle.methods.lm.LmConfig;
import io.heddle.methods.lm.LmData;
import io.heddle.methods.lm.LmRun;
import io.heddle.methods.lm.Score;
import io.heddle.models.ModelConfig;
import io.heddle.models.ModelFolder;
import io.heddle.progress.ProgressListener;
import io.heddle.text.Tokenizer;
import io.heddle.train.RunDirectory;
import io.heddle.train.TrainConfig;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code heddle train lm}: a decoder language model on text files. */
@Command(
    name = "lm",
    description = {
      "Trains a decoder language model on text. The run directory holds checkpoints, metrics, the"
          + " report",
      "and the model in Hugging Face layout; the same command resumes an interrupted run."
    })
final class TrainLmCommand implements Callable<Integer> {
  private static final int INTERRUPTED = 1;

  @Spec private CommandSpec spec = CommandSpec.create();
  @Mixin private Session session = new Session();
  @Mixin private TextOptions text = new TextOptions();
  @Mixin private TokenizerOptions words = new TokenizerOptions();
  @Mixin private LoopOptions loop = new LoopOptions();
  @Mixin private StepOptions counts = new StepOptions();
  @Mixin private RankOptions ranks = new RankOptions();

  @Option(names = "--out", required = true, description = "Run directory.")
  private Path out = Path.of("");

  @Option(
      names = {"--start", "--model"},
      description = "Model folder to continue from; its tokenizer is used.")
  private @Nullable Path start;

  @Option(
      names = "--allow-partial",
      description =
          "--start may lack tensors of heads, which are drawn at random, or have some that the"
              + " model does not use.")
  private boolean partial;

  @Option(
      names = "--family",
      defaultValue = "llama",
      description = "llama or gpt2 (default: llama).")
  private String family = "llama";

  @Option(names = "--layers", defaultValue = "6", description = "Blocks (default: 6).")
  private int layers;

  @Option(
      names = "--dim",
      defaultValue = "256",
      description = "Features of a token (default: 256).")
  private int dim;

  @Option(names = "--heads", defaultValue = "4", description = "Query heads (default: 4).")
  private int heads;

  @Option(
      names = "--kv-heads",
      defaultValue = "0",
      description = "Key/value heads; 0: as many as heads.")
  private int kvHeads;

  @Option(
      names = "--ffn",
      defaultValue = "0",
      description = "Features in the MLP; 0: 8/3 of --dim.")
  private int ffn;

  @Option(
      names = "--schedule",
      defaultValue = "full",
      description =
          "Attention per layer, e.g. 'window:128,full@3' or a preset as masformer (default: full).")
  private String schedule = "full";

  @Option(names = "--seq", defaultValue = "512", description = "Tokens of a row (default: 512).")
  private int seq;

  @Option(names = "--batch", defaultValue = "8", description = "Rows of a batch (default: 8).")
  private int batch;

  @Option(
      names = "--curriculum",
      description = {
        "Tokens of a row by step, e.g. 1024@0,4096@500: rows of 1024 tokens from step 0, of 4096",
        "from step 500 on, --seq times --batch tokens in every batch (default: --seq throughout)."
      })
  private @Nullable String curriculum;

  @Option(
      names = "--lr",
      defaultValue = "0.002",
      description = "Peak learning rate (default: 0.002).")
  private float lr;

  @Option(
      names = "--decay",
      defaultValue = "COSINE",
      description = "${COMPLETION-CANDIDATES} (default: cosine).")
  private TrainConfig.Decay decay = TrainConfig.Decay.COSINE;

  @Option(
      names = "--final-lr",
      defaultValue = "0.1",
      description = "Last learning rate as a share of --lr.")
  private float finalLr;

  @Option(
      names = "--weight-decay",
      defaultValue = "0.1",
      description = "Weight decay (default: 0.1).")
  private float weightDecay;

  @Option(names = "--dropout", defaultValue = "0", description = "Dropout (default: 0).")
  private float dropout;

  @Option(
      names = "--patience",
      defaultValue = "0",
      description = "Evaluations without gain before stopping; 0: never.")
  private int patience;

  @Option(
      names = "--recompute",
      description =
          "Run each block again on the way back instead of keeping it: less memory, more time.")
  private boolean recompute;

  @Option(
      names = "--capture",
      description =
          "Replay steps whose shapes repeat as CUDA graphs: less work for the host, the same curve."
              + " Other backends run as without it.")
  private boolean capture;

  TrainLmCommand() {}

  @Override
  public Integer call() throws IOException {
    try (RankOptions.Together together = ranks.meet();
        Backend backend = ranks.open(session);
        Collective all = together.collective(backend)) {
      int code = trained(backend, all);
      if (code == 0) {
        together.finish();
      }
      return code;
    }
  }

  private int trained(Backend backend, Collective all) throws IOException {
    ObjectNode settings = Session.settings(spec, "lm").put("world", ranks.world());
    all.agree("the options", digest(settings));
    TextOptions.Parts parts = text.parts();
    RunDirectory directory = new RunDirectory(out);
    ProgressListener progress = ranks.progress(session);
    if (ranks.speaks()) {
      directory.begin(settings);
    } else {
      all.barrier(); // until rank 0 has its tokenizer, which this one may find in the folder
    }
    Tokenizer tokenizer =
        words.tokenizer(
            start, out, () -> parts.train().stream().map(Document::text).iterator(), progress);
    if (ranks.speaks()) {
      all.barrier();
    }
    LmData tokens = LmData.of(tokenizer, parts.train(), parts.held());
    LmRun run = new LmRun(config(tokens.tokenizer()), tokens, backend, directory, progress);
    run.together(all);
    run.recompute(recompute);
    run.capture(capture);
    run.allowPartial(partial);
    LmRun.Outcome outcome = Session.interruptible(run::stop, () -> run.run("train lm", start));
    if (!outcome.finished()) {
      return INTERRUPTED;
    }
    if (ranks.speaks()) {
      print(tokens, outcome);
    }
    return 0;
  }

  // Ranks may differ in the device alone.
  private static long digest(ObjectNode settings) {
    CRC32C digest = new CRC32C();
    digest.update(
        settings.deepCopy().without("device").toString().getBytes(StandardCharsets.UTF_8));
    return digest.getValue();
  }

  private LmConfig config(Tokenizer tokens) throws IOException {
    ModelConfig model;
    if (start != null) {
      model = ModelFolder.readConfig(start.resolve("config.json"));
    } else if (family.equals("llama")) {
      int mlp = ffn > 0 ? ffn : (dim * 8 / 3 + 31) / 32 * 32;
      model =
          ModelConfig.llama(
              tokens.vocabularySize(),
              dim,
              layers,
              heads,
              kvHeads > 0 ? kvHeads : heads,
              mlp,
              seq,
              schedule);
    } else if (family.equals("gpt2")) {
      model = ModelConfig.gpt2(tokens.vocabularySize(), dim, layers, heads, seq, schedule);
    } else {
      throw new IllegalArgumentException("--family is '" + family + "'; it can be llama or gpt2");
    }
    TrainConfig train =
        new TrainConfig(
            counts.steps(),
            loop.accumulate(),
            lr,
            counts.warmup(),
            decay,
            finalLr,
            0.9f,
            0.95f,
            1e-8f,
            weightDecay,
            false,
            loop.clip(),
            loop.seed(),
            counts.evaluateEvery(),
            counts.checkpointEvery(),
            patience,
            loop.recipe(model.layers()));
    return new LmConfig(
        model.withDropout(dropout),
        loop.dtype(),
        train,
        seq,
        batch,
        text.holdOut(),
        Math.max(1, seq / 2),
        curriculum == null ? LengthCurriculum.constant(seq) : LengthCurriculum.parse(curriculum));
  }

  private void print(LmData tokens, LmRun.Outcome outcome) {
    Score score = java.util.Objects.requireNonNull(outcome.held());
    var writer = spec.commandLine().getOut();
    writer.printf(
        Locale.ROOT,
        "held-out text: %d tokens, %d bytes%nloss %.4f nats per token (by frequency alone %.4f),"
            + " perplexity %.2f, %.4f bits per byte%n",
        score.tokens(),
        score.bytes(),
        score.loss(),
        tokens.unigramNats(),
        score.perplexity(),
        score.bitsPerByte());
    writer.printf("model: %s%nreport: %s%n", outcome.model(), out.resolve("report.html"));
    writer.flush();
  }
}
