package io.heddle.methods.pretrain;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.heddle.nn.Parameters;
import io.heddle.progress.ProgressListener;
import io.heddle.report.LineChart;
import io.heddle.report.Report;
import io.heddle.train.Objective;
import io.heddle.train.RunDirectory;
import io.heddle.train.RunDirectory.Curve;
import io.heddle.train.TrainConfig;
import io.heddle.train.Trainer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.LongFunction;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** Pretrains in a run directory: resumes, measures, saves the model and writes the report. */
public final class PretrainRun {
  private final RunDirectory directory;
  private final Trainer trainer;

  /** A run. */
  public PretrainRun(TrainConfig config, RunDirectory directory, ProgressListener progress) {
    this.directory = directory;
    this.trainer = new Trainer(config, directory, progress);
  }

  /**
   * What is learnt.
   *
   * @param <B> a batch
   * @param title for progress and the report
   * @param parameters of all that learns
   * @param batches of each number, a pure function
   * @param measure of the held-out part, by name; the first is a loss, which early stopping goes by
   * @param save writes what is kept to a folder
   * @param facts for the report
   */
  public record Task<B>(
      String title,
      Parameters parameters,
      LongFunction<B> batches,
      Objective<B> objective,
      Supplier<Map<String, Double>> measure,
      Consumer<Path> save,
      Map<String, Object> facts) {}

  /**
   * What a run gave.
   *
   * @param finished false when it was asked to stop
   * @param measures of the held-out part
   * @param model the model's folder; null when it did not finish
   */
  public record Outcome(boolean finished, Map<String, Double> measures, @Nullable Path model) {}

  /** Asks {@link #run} to save its state and return; safe from any thread. */
  public void stop() {
    trainer.stop();
  }

  /** Runs a task, or goes on with it. */
  public <B> Outcome run(Task<B> task) {
    Trainer.Result result =
        trainer.fit(
            task.title,
            task.parameters,
            task.batches,
            task.objective,
            listener -> held(task.measure.get()));
    if (!result.finished()) {
      return new Outcome(false, Map.of(), null);
    }
    Map<String, Double> measures = task.measure.get();
    Path folder = directory.root().resolve("model");
    try {
      task.save.accept(folder);
      ObjectNode json = RunDirectory.object().put("steps", result.steps());
      held(measures).forEach(json::put);
      directory.write("result.json", json.toPrettyString() + "\n");
      report(task, measures);
    } catch (IOException e) {
      throw new UncheckedIOException(
          "cannot write to " + directory.root() + ": " + e.getMessage(), e);
    }
    return new Outcome(true, measures, folder);
  }

  private static Map<String, Double> held(Map<String, Double> measures) {
    Map<String, Double> out = new LinkedHashMap<>();
    measures.forEach((name, value) -> out.put("held_" + name, value));
    return out;
  }

  private void report(Task<?> task, Map<String, Double> measures) throws IOException {
    Map<String, Object> facts = new LinkedHashMap<>();
    facts.put("parameters", task.parameters.count());
    facts.put("element type", task.parameters.dtype());
    facts.put("backend", task.parameters.backend().name());
    facts.putAll(task.facts);
    held(measures).forEach((name, value) -> facts.put(name.replace('_', ' '), value));
    List<JsonNode> lines = directory.lines("metrics.jsonl");
    LineChart training = new LineChart("Training", "step", "nats");
    add(training, "loss", Curve.of(lines, "loss"));
    LineChart held = new LineChart("Held-out part", "step", "value");
    for (String name : held(measures).keySet()) {
      add(held, name.replace('_', ' '), Curve.of(lines, name));
    }
    Report.title(task.title)
        .facts(facts)
        .section("Training")
        .chart(training)
        .section("Held-out part")
        .chart(held)
        .write(directory.root().resolve("report.html"));
  }

  private static void add(LineChart chart, String name, Curve curve) {
    chart.series(name, curve.steps(), curve.values());
  }
}
