package io.heddle.methods.finetune;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.heddle.nn.Parameters;
import io.heddle.progress.ProgressListener;
import io.heddle.train.Evaluation;
import io.heddle.train.Objective;
import io.heddle.train.RunDirectory;
import io.heddle.train.TrainConfig;
import io.heddle.train.Trainer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.LongFunction;
import org.jspecify.annotations.Nullable;

/** What all tasks have in common: trains, keeps the best, measures, saves, reports. */
public final class FinetuneRun {
  private final TrainConfig config;
  private final String watch;
  private final RunDirectory directory;
  private final ProgressListener progress;
  private final Trainer trainer;

  /**
   * A run.
   *
   * @param watch name of the measure that early stopping and the choice of the best go by
   */
  public FinetuneRun(
      TrainConfig config, String watch, RunDirectory directory, ProgressListener progress) {
    this.config = config;
    this.watch = watch;
    this.directory = directory;
    this.progress = progress;
    this.trainer = new Trainer(config, directory, progress);
  }

  /**
   * A task.
   *
   * @param <B> a batch
   */
  public interface Task<B> {
    /** Name for progress and the report. */
    String title();

    /** The weights. */
    Parameters parameters();

    /** Batch of each number; a pure function. */
    LongFunction<B> batches();

    /** What is minimised. */
    Objective<B> objective();

    /** Measures of the development part by name; empty when there is none. */
    Map<String, Double> measure(ProgressListener progress);

    /** Measures of the test part by the parameters that were kept; empty when there is none. */
    default Map<String, Double> test(ProgressListener progress) {
      return Map.of();
    }

    /** Whether a larger value of a measure is better. */
    default boolean larger(String measure) {
      return !measure.equals("loss");
    }

    /** Saves the model and what it needs. */
    void save(Path folder) throws IOException;

    /** Writes the report. */
    void report(RunDirectory run, Map<String, Double> measures) throws IOException;
  }

  /**
   * What a run gave.
   *
   * @param finished false when it was asked to stop
   * @param steps steps done
   * @param measures of the development part, by the parameters that were kept
   * @param tests of the test part, likewise
   * @param model the model's folder; null when it did not finish
   */
  public record Outcome(
      boolean finished,
      long steps,
      Map<String, Double> measures,
      Map<String, Double> tests,
      @Nullable Path model) {}

  /** Asks {@link #run} to save its state and return; safe from any thread. */
  public void stop() {
    trainer.stop();
  }

  /** Runs a task, or goes on with it. */
  public <B> Outcome run(Task<B> task) {
    Trainer.Result result =
        trainer.fit(
            task.title(), task.parameters(), task.batches(), task.objective(), evaluation(task));
    if (!result.finished()) {
      return new Outcome(false, result.steps(), Map.of(), Map.of(), null);
    }
    Map<String, Double> measures = task.measure(progress);
    Map<String, Double> tests = task.test(progress);
    Path folder = directory.root().resolve("model");
    try {
      task.save(folder);
      ObjectNode json = RunDirectory.object().put("steps", result.steps());
      measures.forEach((name, value) -> json.put("dev_" + name, value));
      tests.forEach((name, value) -> json.put("test_" + name, value));
      directory.write("result.json", json.toPrettyString() + "\n");
      task.report(directory, measures);
    } catch (IOException e) {
      throw new UncheckedIOException(
          "cannot write to " + directory.root() + ": " + e.getMessage(), e);
    }
    return new Outcome(true, result.steps(), measures, tests, folder);
  }

  // The trainer watches the first value and wants it small.
  private <B> @Nullable Evaluation evaluation(Task<B> task) {
    if (config.evaluateEvery() == 0) {
      return null;
    }
    return listener -> {
      Map<String, Double> found = task.measure(listener);
      Double watched = found.get(watch);
      if (watched == null) {
        throw new IllegalArgumentException(
            "there is no measure '"
                + watch
                + "' to watch; there are "
                + List.copyOf(found.keySet()));
      }
      Map<String, Double> out = new LinkedHashMap<>();
      out.put("watched", task.larger(watch) ? -watched : watched);
      found.forEach((name, value) -> out.put("dev_" + name, value));
      return out;
    };
  }
}
