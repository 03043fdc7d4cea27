package io.heddle.methods.toolkit;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import io.heddle.backend.Backend;
import io.heddle.methods.study.StageProgress;
import io.heddle.progress.ProgressListener;
import io.heddle.train.RunDirectory;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The tutorial's experiments, one after the other. Each has a folder and leaves {@code
 * outcome.json} there, so an interrupted reproduction goes on where it was.
 */
public final class ToolkitReproduction {
  private static final ObjectMapper JSON =
      new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT);
  private static final String DONE = "outcome.json";

  private final Backend backend;
  private final Path root;
  private final boolean quick;
  private final long seed;
  private final List<Experiment> wanted;
  private final ProgressListener progress;
  private volatile @Nullable Bench running;
  private volatile boolean stopped;

  /**
   * A reproduction in {@code root}.
   *
   * @param quick a small form of each experiment, without claims that need more
   * @param only names of experiments; none for all
   */
  public ToolkitReproduction(
      Backend backend,
      Path root,
      boolean quick,
      long seed,
      List<String> only,
      ProgressListener progress) {
    this.backend = backend;
    this.root = root;
    this.quick = quick;
    this.seed = seed;
    this.progress = progress;
    for (String name : only) {
      if (!names().contains(name)) {
        throw new IllegalArgumentException(
            "there is no experiment '" + name + "'; there are " + String.join(", ", names()));
      }
    }
    this.wanted =
        all(quick).stream().filter(e -> only.isEmpty() || only.contains(e.name())).toList();
  }

  private static List<Experiment> all(boolean quick) {
    return List.of(
        new Bucketing(quick),
        new BeamWidths(quick),
        new SamplingOdds(quick),
        new BurstyCache(quick),
        new AveragedDescent(quick),
        new NormPlacement(quick),
        new MaskedPairs(quick),
        new RandomUnicode(quick),
        new HalfPrecision(quick));
  }

  /** The names of all experiments, in order. */
  public static List<String> names() {
    return all(true).stream().map(Experiment::name).toList();
  }

  /** Asks {@link #run} to save its state and return. */
  public void stop() {
    stopped = true;
    Bench now = running;
    if (now != null) {
      now.stop();
    }
  }

  /**
   * Runs what is not done yet and writes {@code results.md}, {@code results.json} and {@code
   * report.html} of all that is done, by experiment; null when it was asked to stop.
   */
  public @Nullable Map<String, Outcome> run() throws IOException {
    // Not the experiments: others may be asked for later.
    new RunDirectory(root).begin(RunDirectory.object().put("quick", quick).put("seed", seed));
    long left = 0;
    for (Experiment e : wanted) {
      left += done(e) == null ? e.steps() : 0;
    }
    try (StageProgress overall = new StageProgress(progress, "reproduce toolkit", left)) {
      for (Experiment experiment : wanted) {
        if (done(experiment) == null && !run(experiment, overall)) {
          return null;
        }
      }
    }
    Map<String, Outcome> found = new LinkedHashMap<>();
    List<Experiment> present = new ArrayList<>();
    for (Experiment e : all(quick)) {
      Outcome outcome = done(e);
      if (outcome != null) {
        found.put(e.name(), outcome);
        present.add(e);
      }
    }
    ToolkitReport.write(root, backend, quick, seed, present, found);
    return found;
  }

  private boolean run(Experiment experiment, StageProgress overall) throws IOException {
    overall.stage(experiment.name());
    Path folder = Files.createDirectories(root.resolve(experiment.name()));
    Bench bench = new Bench(backend, folder, seed, overall);
    running = bench;
    long clock = System.nanoTime();
    double cpu = Bench.cpuSeconds();
    try {
      Outcome outcome = stopped ? null : experiment.run(bench);
      if (outcome == null) {
        return false;
      }
      Outcome timed =
          outcome.timed((System.nanoTime() - clock) * 1e-9, Math.max(0, Bench.cpuSeconds() - cpu));
      new RunDirectory(folder).write(DONE, JSON.writeValueAsString(timed) + "\n");
      bench.clear();
      return true;
    } finally {
      running = null;
    }
  }

  private @Nullable Outcome done(Experiment experiment) throws IOException {
    Path file = root.resolve(experiment.name()).resolve(DONE);
    return Files.exists(file) ? JSON.readValue(file.toFile(), Outcome.class) : null;
  }
}
