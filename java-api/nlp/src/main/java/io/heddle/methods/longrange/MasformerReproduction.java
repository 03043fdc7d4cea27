package io.heddle.methods.longrange;

import io.heddle.backend.Backend;
import io.heddle.methods.study.ModelRuns;
import io.heddle.methods.study.StageProgress;
import io.heddle.progress.ProgressListener;
import io.heddle.tensor.DType;
import io.heddle.train.RunDirectory;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * MASFormer's comparison at small scale: where full attention must stand so that late tokens find
 * early ones, what that costs, and what becomes of a model with full attention that is converted.
 * Every model has a folder, so an interrupted reproduction goes on where it was.
 */
public final class MasformerReproduction {
  private final RecallPlan plan;
  private final List<Long> seeds;
  private final Backend backend;
  private final Path root;
  private final ProgressListener progress;
  private final ModelRuns runs = new ModelRuns();

  /** A reproduction in {@code root}. */
  public MasformerReproduction(
      RecallPlan plan, List<Long> seeds, Backend backend, Path root, ProgressListener progress) {
    if (seeds.isEmpty()) {
      throw new IllegalArgumentException("a reproduction needs a seed");
    }
    this.plan = plan;
    this.seeds = List.copyOf(seeds);
    this.backend = backend;
    this.root = root;
    this.progress = progress;
  }

  /** Asks {@link #run} to save its state and return. */
  public void stop() {
    runs.stop();
  }

  /** Runs what is not done yet and writes the report; null when it was asked to stop. */
  public @Nullable List<RecallFindings> run() throws IOException {
    RunDirectory directory = new RunDirectory(root);
    // Not the seeds: more of them may be asked for later.
    directory.begin(RunDirectory.object().put("plan", plan.toString()));
    List<RecallStudy> studies = new ArrayList<>();
    for (long seed : seeds) {
      studies.add(new RecallStudy(plan, backend, folder(seed), seed));
    }
    long left = ModelRuns.left(studies);
    try (StageProgress overall = new StageProgress(progress, "reproduce masformer", left)) {
      List<RecallFindings> findings = runs.all(studies, overall);
      if (findings == null) {
        return null;
      }
      overall.stage("attention on the clock");
      List<AttentionTimes.Time> times = times();
      RecallReport.write(root, plan, backend, findings, times, folder(seeds.getFirst()));
      return findings;
    }
  }

  private Path folder(long seed) {
    return root.resolve("seed-" + seed);
  }

  // On a GPU in a type and at lengths that fill it; the oracle is too slow to be timed.
  private List<AttentionTimes.Time> times() {
    List<AttentionTimes.Time> out = new ArrayList<>();
    int clock = plan.clock();
    if (backend.name().equals("cuda")) {
      for (int length = clock; length > 0 && length <= 4 * clock; length *= 2) {
        out.addAll(AttentionTimes.measure(backend, DType.BF16, 8 * clock / length, 16, length));
      }
    } else if (backend.name().equals("cpu") && clock > 0) {
      out.addAll(AttentionTimes.measure(backend, DType.F32, 1, 2, clock));
    }
    return out;
  }
}
