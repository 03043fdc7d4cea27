package io.heddle.methods.merge;

import io.heddle.data.TokenBatch;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/** The models that one seed of a reproduction trains, in an order in which that can be done. */
final class Stages {
  static final String BASE = "base";
  static final String AGAIN = "again";
  static final String ADDED = "added";
  static final String UNIFORM = "mix-uniform";
  static final String SHORT = "mix-uniform-short";
  static final String BUDGET = "mix-uniform-budget";
  private static final double TEMPERATURE = 2;
  private static final double CAP = 0.5;

  private final List<Stage> all = new ArrayList<>();
  private final StudyData data;
  private final StudyPlan plan;
  private final List<TokenBatch> everySource;

  /**
   * A model to train.
   *
   * @param name of its folder
   * @param start the stage it starts from; null for random weights
   * @param validation what it is watched by
   */
  record Stage(
      String name,
      @Nullable String start,
      TrainingSource.Rows rows,
      long steps,
      List<TokenBatch> validation) {}

  private Stages(StudyData data, StudyPlan plan) {
    this.data = data;
    this.plan = plan;
    this.everySource = data.sources().stream().flatMap(s -> s.validation().stream()).toList();
  }

  static List<Stage> of(StudyData data, StudyPlan plan, long seed) {
    Stages stages = new Stages(data, plan);
    stages.sources();
    stages.mixtures(seed);
    return List.copyOf(stages.all);
  }

  static String tune(TrainingSource source) {
    return "tune-" + source.name().replace(' ', '-');
  }

  static String grid(int mixture) {
    return "mix-grid-" + mixture;
  }

  static String sequential(TrainingSource source) {
    return "sequential-" + source.name().replace(' ', '-');
  }

  private void add(String name, String start, TrainingSource.Rows rows, long steps) {
    all.add(new Stage(name, start, rows, steps, everySource));
  }

  private void sources() {
    all.add(new Stage(BASE, null, data.base(), plan.baseSteps(), List.of()));
    List<TrainingSource> sources = data.sources();
    for (TrainingSource source : sources) {
      all.add(tuning(tune(source), source));
    }
    all.add(tuning(AGAIN, sources.getFirst()));
    all.add(tuning(ADDED, data.added()));
    String start = BASE;
    for (TrainingSource source : sources) {
      // The last parameters, not the best on its own source: one after the other is what it is.
      String name = sequential(source);
      all.add(new Stage(name, start, source.rows(), plan.tuneSteps(), List.of()));
      start = name;
    }
  }

  private Stage tuning(String name, TrainingSource source) {
    return new Stage(name, BASE, source.rows(), plan.tuneSteps(), source.validation());
  }

  private void mixtures(long seed) {
    List<TrainingSource> sources = data.sources();
    int n = sources.size();
    long together = n * plan.tuneSteps();
    double[] uniform = new double[n];
    Arrays.fill(uniform, 1.0 / n);
    if (data.concatenation() != null) {
      add("mix-concatenation", BASE, data.concatenation(), together);
      add("mix-proportional", BASE, mixed(shares(1)), together);
      add("mix-temperature", BASE, mixed(capped(shares(TEMPERATURE))), together);
    }
    add(UNIFORM, BASE, mixed(uniform), together);
    add(SHORT, BASE, mixed(uniform), plan.tuneSteps());
    long budget = plan.budget(n);
    add(BUDGET, BASE, mixed(uniform), budget);
    SplittableRandom random = new SplittableRandom(seed);
    for (int m = 0; m < plan.mixtures(); m++) {
      double[] shares = m == 0 ? uniform : CoefficientSearch.simplexPoint(n, random);
      add(grid(m), BASE, mixed(shares), Math.max(1, budget / plan.mixtures()));
    }
  }

  private TrainingSource.Rows mixed(double[] shares) {
    return TrainingSource.mixture(data.sources(), shares);
  }

  /** By size to the power 1 / temperature (Arivazhagan et al. 2019), summing to 1. */
  private double[] shares(double temperature) {
    double[] out =
        data.sources().stream()
            .mapToDouble(s -> Math.pow((double) s.size(), 1 / temperature))
            .toArray();
    double sum = Arrays.stream(out).sum();
    return Arrays.stream(out).map(x -> x / sum).toArray();
  }

  private static double[] capped(double[] shares) {
    return Arrays.stream(shares).map(share -> Math.min(share, CAP)).toArray();
  }
}
