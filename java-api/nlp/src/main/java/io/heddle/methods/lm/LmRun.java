package io.heddle.methods.lm;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.heddle.backend.Backend;
import io.heddle.backend.collective.Collective;
import io.heddle.data.EvaluationWindows;
import io.heddle.data.TokenBatch;
import io.heddle.models.AutoModel;
import io.heddle.models.Decoder;
import io.heddle.models.ModelFolder;
import io.heddle.progress.ProgressListener;
import io.heddle.train.Evaluation;
import io.heddle.train.RunDirectory;
import io.heddle.train.Trainer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.LongFunction;
import org.jspecify.annotations.Nullable;

/**
 * Trains a language model in a run directory: resumes, evaluates, saves the model and writes the
 * report.
 */
public final class LmRun {
  private static final int SAMPLE_TOKENS = 16384;

  private final LmConfig config;
  private final LmData data;
  private final Backend backend;
  private final RunDirectory directory;
  private final ProgressListener progress;
  private final Trainer trainer;
  private boolean recompute;
  private boolean partial;
  private Collective ranks = Collective.alone();

  /** A run. */
  public LmRun(
      LmConfig config,
      LmData data,
      Backend backend,
      RunDirectory directory,
      ProgressListener progress) {
    this.config = config;
    this.data = data;
    this.backend = backend;
    this.directory = directory;
    this.progress = progress;
    this.trainer = new Trainer(config.train(), directory, progress);
  }

  /**
   * What a run gave.
   *
   * @param finished false when it was asked to stop
   * @param held score on all held-out text; null when it did not finish, and on other ranks than 0
   * @param model the model's folder; null likewise
   */
  public record Outcome(boolean finished, @Nullable Score held, @Nullable Path model) {}

  /** Whether blocks are run again on the way back instead of kept: less memory, the same model. */
  public void recompute(boolean wanted) {
    recompute = wanted;
  }

  /** Whether steps are replayed as graphs where they can be; see {@link Trainer#capture}. */
  public void capture(boolean wanted) {
    trainer.capture(wanted);
  }

  /**
   * Trains on several ranks; all have the same data, of which every rank takes its share of each
   * step's batches. Rank 0 alone evaluates, saves the model and reports.
   */
  public void together(Collective all) {
    ranks = all;
    trainer.together(all);
  }

  /** Whether the folder to start from may lack heads or hold more than the model. */
  public void allowPartial(boolean wanted) {
    partial = wanted;
  }

  /** Asks {@link #run} to save its state and return. */
  public void stop() {
    trainer.stop();
  }

  /** Runs from a random model, or from {@code start}, a model folder. */
  public Outcome run(String task, @Nullable Path start) {
    LongFunction<TokenBatch> batches =
        config
            .curriculum()
            .batches(
                data.train(),
                Math.multiplyExact(config.length(), config.rows()),
                Math.multiplyExact(config.train().accumulation(), ranks.size()),
                config.train().seed());
    if (ranks.size() > 1) {
      ranks.agree("the training tokens", data.digest());
    }
    try (Decoder model = start == null ? random() : started(start)) {
      model.recompute(recompute);
      Trainer.Result result =
          trainer.fit(
              task,
              model.parameters(),
              batches,
              LanguageModeling.objective(model),
              sampleEvaluation(model));
      if (!result.finished() || ranks.rank() > 0) {
        return new Outcome(result.finished(), null, null);
      }
      Score held =
          LanguageModeling.evaluate(
              model,
              data.heldBatches(config.length(), config.stride(), config.rows()),
              data.heldBytes(),
              progress);
      Path folder = directory.root().resolve("model");
      ModelFolder.save(model, folder, Map.of());
      data.tokenizer().save(folder);
      writeResult(held);
      LmReport.write(directory, task, model, data, config, held);
      return new Outcome(true, held, folder);
    } catch (IOException e) {
      throw new UncheckedIOException(
          "cannot write to " + directory.root() + ": " + e.getMessage(), e);
    }
  }

  private Decoder random() {
    return Decoder.random(config.model(), backend, config.dtype(), config.train().seed());
  }

  private Decoder started(Path folder) {
    return ModelFolder.decoder(
        partial
            ? AutoModel.loadPartly(folder, backend, config.dtype())
            : AutoModel.load(folder, backend, config.dtype()),
        folder);
  }

  // On the way a part of the held-out text is scored, in windows without overlap: cheap, and the
  // same every time.
  private Evaluation sampleEvaluation(Decoder model) {
    LmData.Sample sample = data.sample(SAMPLE_TOKENS);
    List<TokenBatch> batches =
        EvaluationWindows.cut(sample.documents(), config.length(), config.length(), config.rows());
    return listener -> {
      Score score = LanguageModeling.evaluate(model, batches, sample.bytes(), listener);
      Map<String, Double> values = new LinkedHashMap<>();
      values.put("held_loss", score.loss());
      values.put("held_bits_per_byte", score.bitsPerByte());
      return values;
    };
  }

  private void writeResult(Score held) {
    ObjectNode json = RunDirectory.object();
    json.put("held_loss", held.loss());
    json.put("held_perplexity", held.perplexity());
    json.put("held_bits_per_byte", held.bitsPerByte());
    json.put("held_tokens", held.tokens());
    json.put("held_bytes", held.bytes());
    json.put("unigram_nats", data.unigramNats());
    directory.write("result.json", json.toPrettyString() + "\n");
  }
}
