package io.heddle.methods.study;

import io.heddle.methods.study.ModelRun.Trained;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** Trains the models of a study one after the other, until it is asked to stop. */
public final class ModelRuns {
  private volatile @Nullable ModelRun running;
  private volatile boolean stopped;

  /**
   * A study of one seed.
   *
   * @param <F> what it finds
   */
  public interface Study<F> {
    /** Steps that are not done yet. */
    long left();

    /** Runs what is not done yet; null when it was asked to stop. */
    @Nullable F run(ModelRuns runs, StageProgress progress) throws IOException;
  }

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

  /** Steps that studies have before them. */
  public static long left(List<? extends Study<?>> studies) {
    return studies.stream().mapToLong(Study::left).sum();
  }

  /** Runs studies one after the other; null when they were asked to stop. */
  public <F> @Nullable List<F> all(List<? extends Study<F>> studies, StageProgress progress)
      throws IOException {
    List<F> findings = new ArrayList<>();
    for (Study<F> study : studies) {
      F one = study.run(this, progress);
      if (one == null) {
        return null;
      }
      findings.add(one);
    }
    return findings;
  }
}
