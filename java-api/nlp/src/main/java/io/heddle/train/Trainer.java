package io.heddle.train;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.heddle.autograd.Randomness;
import io.heddle.autograd.Tape;
import io.heddle.nn.Parameters;
import io.heddle.progress.ProgressListener;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.LongFunction;
import org.jspecify.annotations.Nullable;

/**
 * The one training loop. Every step is a function of (parameters, optimiser state, step number):
 * batches and dropout masks are drawn by step number, so a run that was killed and resumed gives
 * the same curve, bit for bit, as one that was not.
 */
public final class Trainer {
  private final TrainConfig config;
  private final @Nullable RunDirectory directory;
  private final ProgressListener progress;
  private final AtomicBoolean stop = new AtomicBoolean();
  private double secondsPerStep;
  private long peakActivationBytes;

  /**
   * A trainer.
   *
   * @param directory where checkpoints and metrics go; null for none
   */
  public Trainer(TrainConfig config, @Nullable RunDirectory directory, ProgressListener progress) {
    this.config = config;
    this.directory = directory;
    this.progress = progress;
  }

  /**
   * How a run ended.
   *
   * @param steps steps done, those of earlier runs of the same directory among them
   * @param trainLoss mean loss of the last step, in nats; NaN when no step ran
   * @param finished false when it was asked to stop before its end
   */
  public record Result(long steps, double trainLoss, boolean finished) {}

  /** Asks a running {@link #fit} to save its state and return; safe from any thread. */
  public void stop() {
    stop.set(true);
  }

  /**
   * Most bytes that activations and their gradients have held during a step; parameters, their
   * gradients and the optimiser's state come on top.
   */
  public long peakActivationBytes() {
    return peakActivationBytes;
  }

  /** Mean seconds of a step so far, evaluation left out. */
  public double secondsPerStep() {
    return secondsPerStep;
  }

  /**
   * Trains, from the directory's last checkpoint if it has one. With {@code patience}, the
   * parameters of the best evaluation are what it leaves.
   *
   * @param task what the progress bar calls it
   * @param batches the batch of each number 0, 1, 2, ...; a pure function
   * @param evaluation run every {@code evaluateEvery} steps and at the end; null for none
   */
  public <B> Result fit(
      String task,
      Parameters parameters,
      LongFunction<B> batches,
      Objective<B> objective,
      @Nullable Evaluation evaluation) {
    parameters.trainable();
    Checkpoints checkpoints = directory == null ? null : new Checkpoints(directory.root());
    try (AdamW optimizer = new AdamW(parameters, config)) {
      Checkpoints.Progress at = new Checkpoints.Progress(0, Double.POSITIVE_INFINITY, 0);
      if (checkpoints != null && directory != null) {
        at = checkpoints.load(optimizer.state()).orElse(at);
        optimizer.restored();
        directory.truncate(at.step());
      }
      progress.begin(task, config.steps(), "step");
      progress.advance(at.step(), at.step() > 0 ? "resumed" : "");
      double loss = Double.NaN;
      long measured = 0;
      double seconds = 0;
      for (long step = at.step(); step < config.steps(); step++) {
        long start = System.nanoTime();
        Step done = step(parameters, optimizer, batches, objective, step);
        double took = (System.nanoTime() - start) * 1e-9;
        loss = done.loss;
        seconds += took;
        secondsPerStep = seconds / ++measured;
        report(step, done, took);
        at = new Checkpoints.Progress(step + 1, at.best(), at.stale());
        boolean last = step + 1 == config.steps();
        if (evaluation != null && (last || due(config.evaluateEvery(), step))) {
          at = evaluate(evaluation, at);
          if (checkpoints != null && config.patience() > 0 && at.stale() == 0) {
            checkpoints.saveBest(parameters.byName());
          }
        }
        boolean early = config.patience() > 0 && at.stale() >= config.patience();
        boolean leave = stop.get() || early;
        if (checkpoints != null && (last || leave || due(config.checkpointEvery(), step))) {
          checkpoints.save(at, optimizer.state());
        }
        if (checkpoints != null && config.patience() > 0 && (last || early)) {
          checkpoints.loadBest(parameters.byName());
        }
        if (leave) {
          progress.end(early ? "stopped early" : "stopped; the same command resumes");
          return new Result(step + 1, loss, early);
        }
      }
      progress.end(
          Double.isNaN(loss)
              ? "was finished"
              : String.format(
                  Locale.ROOT,
                  "loss %.4f, activations of a step up to %.0f MB",
                  loss,
                  peakActivationBytes * 1e-6));
      return new Result(config.steps(), loss, true);
    }
  }

  private static boolean due(long every, long step) {
    return every > 0 && (step + 1) % every == 0;
  }

  private record Step(double loss, double count, float norm, float rate) {}

  private <B> Step step(
      Parameters parameters,
      AdamW optimizer,
      LongFunction<B> batches,
      Objective<B> objective,
      long step) {
    parameters.zeroGradients();
    Objective.Loss total = new Objective.Loss(0, 0);
    for (int a = 0; a < config.accumulation(); a++) {
      long number = step * config.accumulation() + a;
      try (Tape t = new Tape(parameters.backend(), true, new Randomness(config.seed(), number))) {
        total = total.plus(objective.run(t, batches.apply(number), 1f / config.accumulation()));
        t.backward();
        peakActivationBytes = Math.max(peakActivationBytes, t.scope().peakBytes());
      }
    }
    if (!Double.isFinite(total.sum())) {
      throw new IllegalStateException(
          "the loss of step "
              + (step + 1)
              + " is "
              + total.sum()
              + ": lower the learning rate (now "
              + config.rate(step)
              + ") or clip more (now "
              + config.clip()
              + ")");
    }
    float norm = optimizer.step(step);
    return new Step(total.mean(), total.count(), norm, config.rate(step));
  }

  private void report(long step, Step done, double seconds) {
    if (directory != null) {
      ObjectNode line = RunDirectory.object();
      line.put("step", step)
          .put("loss", done.loss)
          .put("lr", done.rate)
          .put("grad_norm", done.norm);
      directory.metrics(line);
      directory.timing(
          RunDirectory.object()
              .put("step", step)
              .put("seconds", seconds)
              .put("tokens", done.count)
              .put("peak_activation_bytes", peakActivationBytes));
    }
    progress.advance(
        step + 1,
        String.format(Locale.ROOT, "loss %.3f, %.0f tok/s", done.loss, done.count / seconds));
  }

  private Checkpoints.Progress evaluate(Evaluation evaluation, Checkpoints.Progress at) {
    Map<String, Double> values = evaluation.run(ProgressListener.NONE);
    double watched = values.values().iterator().next();
    if (directory != null) {
      ObjectNode line = RunDirectory.object().put("step", at.step() - 1);
      values.forEach(line::put);
      directory.metrics(line);
    }
    boolean better = watched < at.best();
    return new Checkpoints.Progress(
        at.step(), Math.min(watched, at.best()), better ? 0 : at.stale() + 1);
  }
}
