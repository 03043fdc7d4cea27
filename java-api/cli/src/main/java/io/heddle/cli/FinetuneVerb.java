package io.heddle.cli;

import io.heddle.checkpoint.WholeFile;
import io.heddle.methods.finetune.FinetuneRun;
import io.heddle.progress.ProgressListener;
import io.heddle.train.RunDirectory;
import io.heddle.train.TrainConfig;
import java.io.IOException;
import java.io.OutputStreamWriter;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/**
 * What the verbs of fine-tuning have in common: they train with {@code --data} and {@code --out},
 * and use what they have trained with {@code --model} and {@code --predict}.
 */
abstract class FinetuneVerb implements Callable<Integer> {
  private static final int DONE = 0;
  private static final int INTERRUPTED = 1;

  @Spec CommandSpec spec = CommandSpec.create();
  @Mixin Session session = new Session();
  @Mixin TuneOptions tune = new TuneOptions();

  @Option(names = "--out", description = "Run directory; predictions alone go to this file.")
  private @Nullable Path out;

  /** What writes predictions. */
  @FunctionalInterface
  interface Predictions {
    void write(PrintWriter to) throws IOException;
  }

  /** What is trained on, {@code --data}. */
  abstract @Nullable Path data();

  /** The model's folder, {@code --model}. */
  abstract @Nullable Path model();

  /** What predictions are made of, {@code --predict}. */
  abstract @Nullable Path predict();

  /** Trains; the exit code. */
  abstract int train(Path data, Path run) throws IOException;

  /** Predicts by a saved model, see {@link #predictions}. */
  abstract void predict(Path model, Path file, @Nullable Path to) throws IOException;

  @Override
  public final Integer call() throws IOException {
    Path data = data();
    if (data != null && out != null) {
      return train(data, out);
    }
    Path model = model();
    Path file = predict();
    if (data == null && file != null && model != null) {
      predict(model, file, out);
      return DONE;
    }
    throw new ParameterException(
        spec.commandLine(), "there must be --data and --out, or --model and --predict");
  }

  /** Says which run this is; refuses a directory of another one. */
  final RunDirectory directory(Path run, String method) {
    RunDirectory directory = new RunDirectory(run);
    directory.begin(Session.settings(spec, method));
    return directory;
  }

  /** Runs a task, or goes on with it, until it ends or is interrupted. */
  final FinetuneRun.Outcome run(
      FinetuneRun.Task<?> task,
      TrainConfig loop,
      String watch,
      RunDirectory directory,
      ProgressListener progress) {
    FinetuneRun run = new FinetuneRun(loop, watch, directory, progress);
    return Session.interruptible(run::stop, () -> run.run(task));
  }

  /**
   * Says what a run gave, and writes what else was asked for; the exit code.
   *
   * @param said of what it was trained on, and of its steps
   * @param held examples of the development part
   * @param directory of the run
   * @param name of the file with predictions
   */
  final int end(
      FinetuneRun.Outcome outcome,
      Function<FinetuneRun.Outcome, String> said,
      int held,
      RunDirectory directory,
      String name,
      Predictions predictions)
      throws IOException {
    if (!outcome.finished()) {
      return INTERRUPTED;
    }
    PrintWriter screen = spec.commandLine().getOut();
    screen.println(said.apply(outcome));
    if (held > 0) {
      screen.printf("development part of %d: %s%n", held, Session.measures(outcome.measures()));
    }
    Path root = directory.root();
    screen.printf("model: %s%nreport: %s%n", outcome.model(), root.resolve("report.html"));
    if (predict() != null) {
      Path file = root.resolve(name);
      predictions(file, predictions);
      screen.printf("predictions: %s%n", file);
    }
    screen.flush();
    return DONE;
  }

  /**
   * Writes predictions to a file, which appears whole, or to standard output where none is given.
   */
  final void predictions(@Nullable Path to, Predictions predictions) throws IOException {
    if (to == null) {
      predictions.write(spec.commandLine().getOut());
      spec.commandLine().getOut().flush();
      return;
    }
    WholeFile.write(
        to,
        bytes -> {
          PrintWriter writer =
              new PrintWriter(new OutputStreamWriter(bytes, StandardCharsets.UTF_8));
          predictions.write(writer);
          if (writer.checkError()) {
            throw new IOException("cannot write " + to);
          }
        });
  }
}
