package io.heddle.methods.lm;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.heddle.data.VariablePieces;
import io.heddle.models.RecurrentLm;
import io.heddle.progress.ProgressListener;
import io.heddle.report.LineChart;
import io.heddle.report.Report;
import io.heddle.train.Evaluation;
import io.heddle.train.RunDirectory;
import io.heddle.train.RunDirectory.Curve;
import io.heddle.train.TrainConfig;
import io.heddle.train.Trainer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Trains a recurrent language model in a run directory and scores it, with a cache and without. */
public final class RecurrentRun {
  private static final int STEPS = 70; // of evaluation; they change nothing but the speed

  private final RecurrentLm model;
  private final LmData data;
  private final Setting setting;
  private final RunDirectory directory;
  private final ProgressListener progress;
  private final Trainer trainer;

  /**
   * Settings.
   *
   * @param loop the loop
   * @param training the objective
   * @param cache of the last evaluation
   * @param sample held-out tokens of evaluations on the way
   */
  public record Setting(
      TrainConfig loop,
      RecurrentTraining.Setting training,
      NeuralCache.Options cache,
      int sample) {}

  /**
   * What a run gave.
   *
   * @param plain score of the model on all held-out text; null when it did not finish
   * @param cached the same with the cache
   * @param model the model's folder
   */
  public record Outcome(@Nullable Score plain, @Nullable Score cached, @Nullable Path model) {}

  /** A run. */
  public RecurrentRun(
      RecurrentLm model,
      LmData data,
      Setting setting,
      RunDirectory directory,
      ProgressListener progress) {
    this.model = model;
    this.data = data;
    this.setting = setting;
    this.directory = directory;
    this.progress = progress;
    this.trainer = new Trainer(setting.loop, directory, progress);
  }

  /** Asks {@link #run} to save its state and return. */
  public void stop() {
    trainer.stop();
  }

  /** Runs, or goes on. */
  public Outcome run(String task) {
    RecurrentTraining.Setting how = setting.training;
    VariablePieces pieces =
        new VariablePieces(data.train(), how.rows(), how.usual(), setting.loop.seed());
    Trainer.Result result;
    try (RecurrentTraining objective = new RecurrentTraining(model, how)) {
      result =
          trainer.fit(
              task, model.parameters(), pieces::piece, objective, sampled(), objective.state());
    }
    if (!result.finished()) {
      return new Outcome(null, null, null);
    }
    Score plain = score(null);
    Score cached = score(new NeuralCache(setting.cache));
    Path folder = directory.root().resolve("model");
    try {
      model.save(folder);
      data.tokenizer().save(folder);
      write(result.steps(), plain, cached);
      report(task, plain, cached);
    } catch (IOException e) {
      throw new UncheckedIOException(
          "cannot write to " + directory.root() + ": " + e.getMessage(), e);
    }
    return new Outcome(plain, cached, folder);
  }

  private Score score(@Nullable NeuralCache cache) {
    return RecurrentTraining.evaluate(model, data.held(), data.heldBytes(), STEPS, cache, progress);
  }

  // On the way a part of the held-out text is scored: cheap, and the same every time.
  private Evaluation sampled() {
    LmData.Sample sample = data.sample(setting.sample);
    return listener -> {
      Score score =
          RecurrentTraining.evaluate(
              model, sample.documents(), sample.bytes(), STEPS, null, listener);
      Map<String, Double> values = new LinkedHashMap<>();
      values.put("held_loss", score.loss());
      values.put("held_bits_per_byte", score.bitsPerByte());
      return values;
    };
  }

  private void write(long steps, Score plain, Score cached) {
    ObjectNode json = RunDirectory.object().put("steps", steps);
    json.put("held_loss", plain.loss())
        .put("held_perplexity", plain.perplexity())
        .put("held_bits_per_byte", plain.bitsPerByte())
        .put("cached_loss", cached.loss())
        .put("cached_perplexity", cached.perplexity())
        .put("cached_bits_per_byte", cached.bitsPerByte())
        .put("held_tokens", plain.tokens())
        .put("held_bytes", plain.bytes());
    directory.write("result.json", json.toPrettyString() + "\n");
  }

  private void report(String task, Score plain, Score cached) throws IOException {
    Map<String, Object> facts = new LinkedHashMap<>();
    facts.put("parameters", model.parameters().count());
    facts.put("backend", model.backend().name());
    facts.put("training tokens", data.train().length);
    facts.put("held-out tokens", plain.tokens());
    facts.put("perplexity", format(plain.perplexity()));
    facts.put("perplexity with cache", format(cached.perplexity()));
    facts.put("cache", setting.cache);
    List<JsonNode> lines = directory.lines("metrics.jsonl");
    LineChart loss = new LineChart("Loss", "step", "nats per token");
    for (String[] each : new String[][] {{"training", "loss"}, {"held out", "held_loss"}}) {
      Curve curve = Curve.of(lines, each[1]);
      loss.series(each[0], curve.steps(), curve.values());
    }
    Report.title(task)
        .facts(facts)
        .section("Loss")
        .chart(loss)
        .write(directory.root().resolve("report.html"));
  }

  private static String format(double value) {
    return String.format(Locale.ROOT, "%.2f", value);
  }
}
