package io.heddle.methods.toolkit;

import io.heddle.backend.Backend;
import io.heddle.nn.Parameters;
import io.heddle.progress.ProgressListener;
import io.heddle.tensor.Tensor;
import io.heddle.train.Evaluation;
import io.heddle.train.Objective;
import io.heddle.train.RunDirectory;
import io.heddle.train.RunDirectory.Curve;
import io.heddle.train.TrainConfig;
import io.heddle.train.Trainer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.function.LongFunction;
import org.jspecify.annotations.Nullable;

/** Where an experiment works: a backend, a folder, a seed, and whether it shall go on. */
final class Bench {
  private final Backend backend;
  private final Path folder;
  private final long seed;
  private final ProgressListener progress;
  private volatile @Nullable Trainer running;
  private volatile boolean stopped;

  Bench(Backend backend, Path folder, long seed, ProgressListener progress) {
    this.backend = backend;
    this.folder = folder;
    this.seed = seed;
    this.progress = progress;
  }

  Backend backend() {
    return backend;
  }

  Path folder() {
    return folder;
  }

  long seed() {
    return seed;
  }

  ProgressListener progress() {
    return progress;
  }

  /** Asks the experiment to save its state and return. */
  void stop() {
    stopped = true;
    Trainer now = running;
    if (now != null) {
      now.stop();
    }
  }

  boolean stopped() {
    return stopped;
  }

  /** Processor time of this process so far, all threads together, in seconds. */
  static double cpuSeconds() {
    return ProcessHandle.current().info().totalCpuDuration().orElse(Duration.ZERO).toMillis()
        * 1e-3;
  }

  /**
   * Trains in a folder of its own, or goes on there; parameters that were trained before are read
   * again.
   *
   * @param name of the folder
   * @param carried what the objective carries from step to step
   * @return false when it was asked to stop
   */
  <B> boolean fit(
      String name,
      TrainConfig loop,
      Parameters parameters,
      LongFunction<B> batches,
      Objective<B> objective,
      @Nullable Evaluation evaluation,
      Map<String, Tensor> carried) {
    RunDirectory directory = new RunDirectory(folder.resolve(name));
    directory.begin(RunDirectory.object().put("loop", loop.toString()));
    Trainer trainer = new Trainer(loop, directory, progress);
    running = trainer;
    try {
      // In this order: who stops in between finds either the flag or the trainer.
      return !stopped
          && trainer.fit(name, parameters, batches, objective, evaluation, carried).finished();
    } finally {
      running = null;
    }
  }

  /** A number over the steps of a training in this folder. */
  Curve curve(String name, String key) {
    return Curve.of(new RunDirectory(folder.resolve(name)).lines("metrics.jsonl"), key);
  }

  /** Deletes the checkpoints of trainings that are not needed again. */
  void clear() {
    try (DirectoryStream<Path> all = Files.newDirectoryStream(folder)) {
      for (Path each : all) {
        RunDirectory.delete(each.resolve("checkpoint"));
      }
    } catch (IOException e) {
      throw new UncheckedIOException("cannot clear " + folder, e);
    }
  }
}
