package io.heddle.train;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.heddle.autograd.Randomness;
import io.heddle.autograd.Tape;
import io.heddle.backend.collective.Collective;
import io.heddle.nn.Parameters;
import io.heddle.progress.ProgressListener;
import io.heddle.tensor.Tensor;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
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
  private @Nullable RunDirectory directory;
  private final ProgressListener progress;
  private Collective ranks = Collective.alone();
  private final AtomicBoolean stop = new AtomicBoolean();
  private double secondsPerStep;
  private long peakActivationBytes;
  private boolean capture;
  private long replayed;
  private double lastLoss = Double.NaN;

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
   * Whether steps whose shapes repeat are recorded and replayed as graphs, where the backend can
   * and the objective is {@linkplain Objective#repeatable repeatable}: less work for the host, one
   * more set of activations in memory, the same curve bit for bit.
   */
  public void capture(boolean wanted) {
    capture = wanted;
  }

  /**
   * Has several processes take each step together: every rank has its own batches, and all move
   * their parameters by the mean of all gradients, as one process would that accumulates over as
   * many batches. Rank 0 alone evaluates and writes; all resume from its checkpoint. That the
   * parameters are the same on all ranks is checked at the start and at every checkpoint.
   */
  public void together(Collective all) {
    ranks = all;
    if (all.rank() > 0) {
      directory = null;
    }
  }

  /** Batches whose passes were replayed, in the last {@link #fit}. */
  public long replayed() {
    return replayed;
  }

  /** Mean loss of the last step, in nats. */
  public double lastLoss() {
    return lastLoss;
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
   * Trains, from the directory's last checkpoint if it has one. What it leaves are the parameters
   * of the best evaluation with {@code patience}, else the average that the recipe asks for, else
   * those of the last step. A run that had ended is not run again.
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
    return fit(task, parameters, batches, objective, evaluation, Map.of());
  }

  /**
   * The same with tensors that the objective carries from step to step, by name: they are part of
   * every checkpoint. Several ranks carry none.
   */
  public <B> Result fit(
      String task,
      Parameters parameters,
      LongFunction<B> batches,
      Objective<B> objective,
      @Nullable Evaluation evaluation,
      Map<String, Tensor> carried) {
    if (ranks.size() > 1 && !carried.isEmpty()) {
      throw new IllegalArgumentException(
          "what is carried from step to step, "
              + carried.keySet()
              + ", is kept for one rank alone");
    }
    parameters.trainable();
    try (Optimizer optimizer = new Optimizer(parameters, config);
        Average average =
            new Average(config.recipe().averaging(), optimizer, parameters.backend());
        Replays replays = new Replays(parameters.backend())) {
      optimizer.capture(capture);
      Keeper keeper = new Keeper(parameters, optimizer, average, carried);
      Checkpoints.Progress at = keeper.resume();
      progress.begin(task, config.steps(), "step");
      progress.advance(at.step(), at.step() > 0 ? "resumed" : "");
      lastLoss = Double.NaN;
      replayed = 0;
      long measured = 0;
      double seconds = 0;
      for (long step = at.step(); step < config.steps() && !stale(at); step++) {
        long start = System.nanoTime();
        Step done = step(parameters, optimizer, batches, objective, replays, step, at.rate());
        average.add(step + 1, at.trigger());
        double took = (System.nanoTime() - start) * 1e-9;
        lastLoss = done.loss;
        seconds += took;
        secondsPerStep = seconds / ++measured;
        report(step, done, took);
        at = at.at(step + 1);
        boolean last = at.step() == config.steps();
        if (evaluation != null && (last || due(config.evaluateEvery(), step))) {
          at = keeper.evaluate(evaluation, at);
        }
        boolean leave = ranks.any(stop.get()) && !last && !stale(at);
        if (last || leave || stale(at) || due(config.checkpointEvery(), step)) {
          keeper.save(at);
        }
        if (leave) {
          progress.end("stopped; the same command resumes");
          return new Result(step + 1, lastLoss, false);
        }
      }
      keeper.finish(at);
      progress.end(ending(at, lastLoss) + told(replays));
      return new Result(at.step(), lastLoss, true);
    }
  }

  private boolean stale(Checkpoints.Progress at) {
    return config.patience() > 0 && at.stale() >= config.patience();
  }

  private static boolean due(long every, long step) {
    return every > 0 && (step + 1) % every == 0;
  }

  private String ending(Checkpoints.Progress at, double loss) {
    if (Double.isNaN(loss)) {
      return "was finished";
    }
    return String.format(
        Locale.ROOT,
        "%sloss %.4f, activations of a step up to %.0f MB",
        at.step() < config.steps() ? "stopped early, " : "",
        loss,
        peakActivationBytes * 1e-6);
  }

  private String told(Replays replays) {
    if (!capture) {
      return "";
    }
    String why = replays.refusal().isEmpty() ? "" : ", not always: " + replays.refusal();
    return String.format(Locale.ROOT, ", %d batches replayed%s", replayed, why);
  }

  // Where a run stands, on disk and in the parameters.
  private final class Keeper {
    private final Parameters parameters;
    private final Optimizer optimizer;
    private final Average average;
    private final Map<String, Tensor> carried;
    private final @Nullable Checkpoints files;

    Keeper(
        Parameters parameters, Optimizer optimizer, Average average, Map<String, Tensor> carried) {
      this.parameters = parameters;
      this.optimizer = optimizer;
      this.average = average;
      this.carried = carried;
      this.files = directory == null ? null : new Checkpoints(directory.root());
    }

    private Map<String, Tensor> state() {
      Map<String, Tensor> all = new LinkedHashMap<>(optimizer.state());
      all.putAll(average.state());
      all.putAll(carried);
      return all;
    }

    Checkpoints.Progress resume() {
      Checkpoints.Progress at = Checkpoints.Progress.START;
      Map<String, Tensor> all = state(); // once: asking anew would overwrite what was read
      if (files != null && directory != null) {
        at = files.load(all).orElse(at);
        directory.truncate(at.step());
      }
      at = Checkpoints.Progress.of(ranks.gather(at.numbers())[0]);
      if (at.step() > 0) {
        all.values().forEach(ranks::broadcast);
      }
      optimizer.restored();
      agree(at);
      return at;
    }

    private void agree(Checkpoints.Progress at) {
      ranks.agree("the parameters at step " + at.step(), parameters.values());
    }

    void save(Checkpoints.Progress at) {
      agree(at);
      if (files != null) {
        files.save(at, state());
      }
    }

    Checkpoints.Progress evaluate(Evaluation evaluation, Checkpoints.Progress before) {
      average.swapIn(before.step(), before.trigger());
      double own = ranks.rank() == 0 ? measured(evaluation, before.step()) : Double.NaN;
      double watched = ranks.gather(own)[0][0];
      Checkpoints.Progress at = before.evaluated(watched, config.recipe());
      if (files != null && config.patience() > 0 && at.stale() == 0) {
        files.saveBest(parameters.byName());
      }
      average.swapOut();
      if (at.trigger() != before.trigger()) {
        average.begin();
      }
      return at;
    }

    private double measured(Evaluation evaluation, long steps) {
      Map<String, Double> values = evaluation.run(ProgressListener.NONE);
      if (directory != null) {
        ObjectNode line = RunDirectory.object().put("step", steps - 1);
        values.forEach(line::put);
        directory.metrics(line);
      }
      return values.values().iterator().next();
    }

    void finish(Checkpoints.Progress at) {
      if (files != null && config.patience() > 0 && !at.losses().isEmpty()) {
        files.loadBest(parameters.byName());
      } else {
        average.leaveIn(at.step(), at.trigger());
      }
    }
  }

  // Without a norm it was skipped.
  private record Step(double loss, double count, float norm, float rate, double scale) {}

  private <B> Step step(
      Parameters parameters,
      Optimizer optimizer,
      LongFunction<B> batches,
      Objective<B> objective,
      Replays replays,
      long step,
      double share) {
    Set<Tensor> awaited = parameters.awaitGradients();
    Objective.Loss own = new Objective.Loss(0, 0);
    double last = 0;
    for (int a = 0; a < config.accumulation(); a++) {
      long number = (step * ranks.size() + ranks.rank()) * config.accumulation() + a;
      B batch = batches.apply(number);
      last = objective.rate(batch);
      Randomness randomness = new Randomness(config.seed(), number);
      float scale = (float) (optimizer.lossScale() / (config.accumulation() * ranks.size()));
      own = own.plus(passes(objective, replays, batch, scale, randomness, awaited));
    }
    parameters.settleGradients(awaited);
    double[][] all = ranks.gather(own.sum(), own.count(), last);
    double rate = share * all[all.length - 1][2];
    Objective.Loss total = new Objective.Loss(0, 0);
    for (double[] of : all) {
      total = total.plus(new Objective.Loss(of[0], of[1]));
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
    ranks.sum(parameters.gradients());
    double scale = optimizer.lossScale();
    float norm = optimizer.step(step, rate);
    return new Step(total.mean(), total.count(), norm, (float) (config.rate(step) * rate), scale);
  }

  private <B> Objective.Loss passes(
      Objective<B> objective,
      Replays replays,
      B batch,
      float scale,
      Randomness randomness,
      Set<Tensor> awaited) {
    Objective.Repeatable repeatable = capture ? objective.repeatable(batch, scale) : null;
    Objective.Loss loss;
    long bytes;
    if (repeatable == null) {
      try (Tape t = new Tape(replays.backend(), randomness, awaited)) {
        loss = objective.run(t, batch, scale);
        t.backward();
        bytes = t.scope().peakBytes();
      }
    } else {
      loss = replays.run(repeatable, randomness, awaited);
      replayed = replays.replayed();
      bytes = replays.peakBytes();
    }
    peakActivationBytes = Math.max(peakActivationBytes, bytes);
    return loss;
  }

  private void report(long step, Step done, double seconds) {
    if (directory != null) {
      ObjectNode line = RunDirectory.object();
      line.put("step", step).put("loss", done.loss).put("lr", done.rate);
      if (Float.isFinite(done.norm)) {
        line.put("grad_norm", done.norm);
      }
      if (config.recipe().scaling().wanted()) {
        line.put("loss_scale", done.scale);
      }
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
}
