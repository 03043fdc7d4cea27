package io.heddle.methods.study;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.heddle.backend.Backend;
import io.heddle.data.TokenBatch;
import io.heddle.methods.lm.LanguageModeling;
import io.heddle.models.Decoder;
import io.heddle.models.ModelConfig;
import io.heddle.models.ModelFolder;
import io.heddle.progress.ProgressListener;
import io.heddle.tensor.DType;
import io.heddle.train.Objective;
import io.heddle.train.RunDirectory;
import io.heddle.train.TrainConfig;
import io.heddle.train.Trainer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.LongFunction;
import org.jspecify.annotations.Nullable;

/**
 * Trains one model into a folder of its own: resumes it where it was, leaves it alone once it is
 * finished. The models of a study, and its baselines.
 */
public final class ModelRun {
  private static final ObjectMapper JSON = new ObjectMapper();

  private final Path folder;
  private final Backend backend;
  private final DType dtype;
  private final ProgressListener progress;
  private Function<Decoder, Objective<TokenBatch>> objective = LanguageModeling::objective;
  private Consumer<Decoder> prepare = model -> {};
  private boolean recompute;
  private volatile @Nullable Trainer running;
  private volatile boolean stopped;

  /** A run into {@code folder}, in f32. */
  public ModelRun(Path folder, Backend backend, ProgressListener progress) {
    this(folder, backend, DType.F32, progress);
  }

  /** A run into {@code folder} with weights and activations of {@code dtype}. */
  public ModelRun(Path folder, Backend backend, DType dtype, ProgressListener progress) {
    this.folder = folder;
    this.backend = backend;
    this.dtype = dtype;
    this.progress = progress;
  }

  /** Learns by another objective than the mean loss of all next tokens. */
  public ModelRun by(Function<Decoder, Objective<TokenBatch>> wanted) {
    objective = wanted;
    return this;
  }

  /** Changes the weights of a new model before it learns. */
  public ModelRun first(Consumer<Decoder> change) {
    prepare = change;
    return this;
  }

  /** Runs each block again on the way back instead of keeping it: less memory, the same model. */
  public ModelRun recomputed(boolean wanted) {
    recompute = wanted;
    return this;
  }

  /**
   * What was trained.
   *
   * @param model its folder
   * @param tokens it was trained on
   * @param seconds of its training steps
   */
  public record Trained(Path model, long tokens, double seconds) {}

  /** The finished run of a folder; null when it is not finished. */
  public static @Nullable Trained finished(Path folder) {
    Path result = folder.resolve("result.json");
    if (!Files.exists(result)) {
      return null;
    }
    try {
      JsonNode json = JSON.readTree(result.toFile());
      return new Trained(
          folder.resolve("model"), json.path("tokens").asLong(), json.path("seconds").asDouble());
    } catch (IOException e) {
      throw new UncheckedIOException("cannot read " + result, e);
    }
  }

  /** Asks {@link #fit} to save its state and return. */
  public void stop() {
    stopped = true;
    Trainer now = running;
    if (now != null) {
      now.stop();
    }
  }

  /**
   * Trains, unless that was done before.
   *
   * @param shape of a new model; without meaning when there is a start
   * @param start folder of the model to start from; null for random weights
   * @param validation the parameters that are best on these are kept; empty for the last ones
   * @return null when it was asked to stop
   */
  public @Nullable Trained fit(
      String task,
      ModelConfig shape,
      @Nullable Path start,
      TrainConfig loop,
      LongFunction<TokenBatch> batches,
      List<TokenBatch> validation) {
    Trained before = finished(folder);
    if (before != null) {
      return before;
    }
    if (stopped) {
      return null;
    }
    RunDirectory directory = new RunDirectory(folder);
    ObjectNode config = RunDirectory.object().put("task", task).put("loop", loop.toString());
    // From here, so that a folder of runs may move.
    Path from = start == null ? folder : start;
    directory.begin(
        config.put("start", folder.toAbsolutePath().relativize(from.toAbsolutePath()).toString()));
    Trainer trainer = new Trainer(loop, directory, progress);
    running = trainer;
    try (Decoder model =
        start == null
            ? Decoder.random(shape, backend, dtype, loop.seed())
            : ModelFolder.load(start, backend, dtype)) {
      model.recompute(recompute);
      if (start == null) {
        prepare.accept(model);
      }
      Trainer.Result result =
          trainer.fit(
              task,
              model.parameters(),
              batches,
              objective.apply(model),
              validation.isEmpty()
                  ? null
                  : listener -> Map.of("validation_loss", loss(model, validation)));
      if (!result.finished()) {
        return null;
      }
      ModelFolder.save(model, folder.resolve("model"), Map.of());
    } finally {
      running = null;
    }
    return close(directory);
  }

  private Trained close(RunDirectory directory) {
    double seconds = 0;
    long tokens = 0;
    for (JsonNode line : directory.lines("timing.jsonl")) {
      seconds += line.path("seconds").asDouble();
      tokens += line.path("tokens").asLong();
    }
    ObjectNode json = RunDirectory.object().put("tokens", tokens).put("seconds", seconds);
    directory.write("result.json", json.toPrettyString() + "\n");
    try {
      RunDirectory.delete(folder.resolve("checkpoint")); // the optimiser's state: not needed again
    } catch (IOException e) {
      throw new UncheckedIOException("cannot delete " + folder.resolve("checkpoint"), e);
    }
    return new Trained(folder.resolve("model"), tokens, seconds);
  }

  /** Mean loss of all scored tokens, in nats. */
  public static double loss(Decoder model, List<TokenBatch> batches) {
    return LanguageModeling.evaluate(model, batches, 1, ProgressListener.NONE).loss();
  }
}
