package io.heddle.methods.study;

import io.heddle.methods.study.ModelRun.Trained;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** Trains the models of a study one after the other, until it is asked to stop. */
public final class ModelRuns {
  private volatile @Nullable ModelRun running;
  private volatile boolean stopped;

  /** Nothing runs yet. */
  public ModelRuns() {}

  /** Asks the model that is being trained to save its state, and lets no other begin. */
  public void stop() {
    stopped = true;
    ModelRun now = running;
    if (now != null) {
      now.stop();
    }
  }

  /** Trains one; null when it was asked to stop. */
  public @Nullable Trained fit(ModelRun run, Function<ModelRun, @Nullable Trained> fit) {
    running = run;
    try {
      // In this order: who stops in between finds either the flag or the run.
      return stopped ? null : fit.apply(run);
    } finally {
      running = null;
    }
  }
}
