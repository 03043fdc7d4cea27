package io.heddle.bench;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.heddle.backend.Backend;
import io.heddle.backend.BackendOptions;
import io.heddle.backend.Backends;
import io.heddle.data.TokenBatch;
import io.heddle.methods.lm.LanguageModeling;
import io.heddle.methods.longrange.CostModel;
import io.heddle.models.AutoModel;
import io.heddle.models.Decoder;
import io.heddle.models.ModelConfig;
import io.heddle.progress.ProgressListener;
import io.heddle.tensor.DType;
import io.heddle.train.Objective;
import io.heddle.train.TrainConfig;
import io.heddle.train.Trainer;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/**
 * Whole training steps as a user runs them: forward, backward, clipping and AdamW by {@link
 * Trainer}, on one backend and without a peer in the process. {@code benchmarks/peers/step.py} asks
 * for rounds of them in turns with PyTorch's.
 */
final class StepTimer {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final int WARM_UP = 3;
  private static final int STEPS_OF_A_ROUND = 5;

  @Option(names = "--layers", description = "layers (default: 12).")
  private int layers = 12;

  @Option(names = "--hidden", description = "features of a token (default: 768).")
  private int hidden = 768;

  @Option(names = "--vocab", description = "tokens (default: 50257).")
  private int vocabulary = 50257;

  @Option(
      names = "--schedule",
      description = "attention per layer, as train lm takes it (default: full).")
  private String schedule = "full";

  @Option(
      names = "--model",
      description =
          "step: a model folder instead; the losses of its first steps come too. decode: what it"
              + " writes, without a peer.")
  private @Nullable Path model;

  @Option(names = "--capture", description = "replay the steps as CUDA graphs.")
  private boolean capture;

  @Option(
      names = "--recompute",
      description =
          "step: keep only what passes between blocks and run each again on the way back.")
  private boolean recompute;

  @Option(
      names = "--on-demand",
      hidden = true,
      description = "A round for each line of standard input.")
  private boolean onDemand;

  /** What asks {@code step.py} for this model. */
  List<String> arguments(int batch, int heads, int seq) {
    String shape = "%d,%d,%d,%d,%d,%d".formatted(batch, layers, hidden, heads, vocabulary, seq);
    return List.of("time", "--shape", shape, "--schedule", schedule);
  }

  /** Runs rounds, a JSON row each, until there is no more to do. */
  void run(
      String backendName, int batch, int heads, int seq, DType dtype, int rounds, PrintWriter out)
      throws IOException {
    try (Backend backend = Backends.open(backendName, BackendOptions.DEFAULT);
        Decoder decoder = decoder(backend, dtype, heads, seq)) {
      decoder.recompute(recompute);
      int[] ids = new int[batch * seq];
      int[] targets = new int[batch * seq];
      for (int i = 0; i < ids.length; i++) {
        ids[i] = token(i, decoder.config().vocabulary());
        targets[i] = token(i + 1, decoder.config().vocabulary());
      }
      TokenBatch tokens = new TokenBatch(batch, ids, targets, null);
      BooleanSupplier more = more();
      ObjectNode row = row(backendName, decoder, batch, seq, dtype).put("recompute", recompute);
      Rounds listener = new Rounds(rounds, more, out, row);
      Trainer trainer = new Trainer(constant(TrainConfig.of(1_000_000, 1e-4f, 1)), null, listener);
      listener.trainer = trainer;
      trainer.capture(capture);
      if (more.getAsBoolean()) {
        Objective<TokenBatch> objective = LanguageModeling.objective(decoder);
        trainer.fit("step", decoder.parameters(), i -> tokens, objective, null);
      }
    }
  }

  /** The folder of {@code --model}. */
  @Nullable Path model() {
    return model;
  }

  /** Whether another round is wanted: asks standard input, if rounds are on demand. */
  BooleanSupplier more() {
    return onDemand ? StepTimer::asked : () -> true;
  }

  private static boolean asked() {
    try {
      int read = System.in.read();
      while (read >= 0 && read != '\n') {
        read = System.in.read();
      }
      return read >= 0;
    } catch (IOException e) {
      return false;
    }
  }

  /** Token {@code i} of a fixed sequence that looks random; step.py has the same. */
  static int token(long i, int vocabulary) {
    return (int) (((i * 2654435761L) >>> 7) % vocabulary);
  }

  private static TrainConfig constant(TrainConfig c) {
    return new TrainConfig(
        c.steps(),
        c.accumulation(),
        c.learningRate(),
        0,
        TrainConfig.Decay.CONSTANT,
        1,
        c.beta1(),
        c.beta2(),
        c.eps(),
        c.weightDecay(),
        c.decayAll(),
        c.clip(),
        c.seed(),
        0,
        0,
        0);
  }

  private Decoder decoder(Backend backend, DType dtype, int heads, int seq) throws IOException {
    if (model == null) {
      ModelConfig config = ModelConfig.gpt2(vocabulary, hidden, layers, heads, seq, schedule);
      return Decoder.random(config, backend, dtype, 1);
    }
    if (AutoModel.load(model, backend, dtype) instanceof Decoder decoder) {
      return decoder;
    }
    throw new IOException(model + " holds no decoder language model");
  }

  private static ObjectNode row(String backend, Decoder decoder, int batch, int seq, DType dtype) {
    ModelConfig config = decoder.config();
    int d = config.stack().hidden();
    CostModel.Shape shape = CostModel.Shape.of(config);
    CostModel.Cost cost = new CostModel(shape, seq, dtype.bytes()).of(decoder.schedule());
    // Three times the forward pass, and in the backward pass of attention the scores once more.
    double flops = 3 * cost.flops() + 2.0 * shape.headDim() * cost.pairs();
    return JSON.createObjectNode()
        .put("op", "train_step")
        .put("backend", backend)
        .put("dtype", dtype.name().toLowerCase(Locale.ROOT))
        .put(
            "shape",
            "B%d L%d d%d H%d V%d S%d %s"
                .formatted(
                    batch,
                    config.layers(),
                    d,
                    shape.heads(),
                    config.vocabulary(),
                    seq,
                    config.schedule()))
        .put("parameters", decoder.parameters().count())
        .put("pairs", cost.pairs() * batch)
        .put("flops", flops * batch);
  }

  // Trainer tells of every step; a round's row comes after its last one.
  private static final class Rounds implements ProgressListener {
    private final int rounds;
    private final BooleanSupplier more;
    private final PrintWriter out;
    private final ObjectNode row;
    private final double[] millis = new double[STEPS_OF_A_ROUND];
    private final ArrayNode losses;
    private @Nullable Trainer trainer;
    private int steps;
    private int done;
    private long last;

    Rounds(int rounds, BooleanSupplier more, PrintWriter out, ObjectNode row) {
      this.rounds = rounds;
      this.more = more;
      this.out = out;
      this.row = row;
      this.losses = row.putArray("losses");
    }

    @Override
    public void begin(String task, long total, String unit) {}

    @Override
    public void advance(long step, String message) {
      long now = System.nanoTime();
      if (step > 0 && trainer != null) {
        losses.add(trainer.lastLoss());
        int at = steps++ - (done == 0 ? WARM_UP : 0);
        if (at >= 0) {
          millis[at] = (now - last) * 1e-6;
        }
        if (at == STEPS_OF_A_ROUND - 1) {
          emit();
        }
      }
      last = System.nanoTime();
    }

    private void emit() {
      double[] sorted = millis.clone();
      Arrays.sort(sorted);
      double median = sorted[STEPS_OF_A_ROUND / 2];
      row.put("ours_ms", median);
      row.put("tflops", row.path("flops").asDouble() / median * 1e-9);
      if (trainer != null) {
        row.put("peak_activation_bytes", trainer.peakActivationBytes());
        row.put("replayed", trainer.replayed());
      }
      if (row.path("backend").asText().equals("cpu")) {
        row.put("process_bytes", Machine.peakResidentBytes());
      }
      out.println(row);
      out.flush();
      losses.removeAll();
      steps = 0;
      done++;
      if (trainer != null && (done == rounds || !more.getAsBoolean())) {
        trainer.stop();
      }
    }

    @Override
    public void end(String message) {}
  }
}
