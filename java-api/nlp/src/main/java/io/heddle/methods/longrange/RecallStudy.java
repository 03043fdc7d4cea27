package io.heddle.methods.longrange;

import io.heddle.backend.Backend;
import io.heddle.data.TokenBatch;
import io.heddle.methods.study.EvaluationLog;
import io.heddle.methods.study.ModelRun;
import io.heddle.methods.study.ModelRun.Trained;
import io.heddle.methods.study.ModelRuns;
import io.heddle.methods.study.StageProgress;
import io.heddle.models.Conversion;
import io.heddle.models.Conversion.PositionMode;
import io.heddle.models.Decoder;
import io.heddle.models.ModelConfig;
import io.heddle.models.ModelFolder;
import io.heddle.models.Schedule;
import io.heddle.models.Schedule.Placement;
import io.heddle.tensor.DType;
import io.heddle.train.RunDirectory;
import io.heddle.train.RunDirectory.Curve;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** One seed of the recall experiment: all patterns from scratch, then the conversions. */
final class RecallStudy implements ModelRuns.Study<RecallFindings> {
  static final String BLOCK = "block";
  static final String WINDOW = "window";
  private static final String SHORT = "full-at-half-length";

  private final RecallPlan plan;
  private final Backend backend;
  private final Path folder;
  private final long seed;
  private final RecallData data;
  private final RecallData half;
  private final EvaluationLog log;

  RecallStudy(RecallPlan plan, Backend backend, Path folder, long seed) throws IOException {
    this.plan = plan;
    this.backend = backend;
    this.folder = Files.createDirectories(folder);
    this.seed = seed;
    this.data = new RecallData(plan.length(), seed);
    this.half = new RecallData(plan.length() / 2, seed);
    this.log = new EvaluationLog(folder.resolve("evaluations.jsonl"));
  }

  /** Name of the pattern with {@code full} full layers, the rest being {@code sparse}. */
  static String mixed(int full, Placement placement, String sparse) {
    return full + " full at " + placement.word() + ", rest " + sparse;
  }

  /** The patterns by name, as schedules. */
  static Map<String, String> patterns(RecallPlan plan) {
    int layers = plan.layers();
    String block = "block:" + plan.block();
    String window = "window:" + plan.block();
    Map<String, String> out = new LinkedHashMap<>();
    out.put(RecallFindings.FULL, "full");
    out.put(BLOCK, block);
    out.put(WINDOW, window);
    out.put(mixed(1, Placement.BOTTOM, BLOCK), Schedule.mixed(layers, 1, Placement.BOTTOM, block));
    out.put(mixed(1, Placement.TOP, BLOCK), Schedule.mixed(layers, 1, Placement.TOP, block));
    for (Placement placement : Placement.values()) {
      out.put(mixed(2, placement, BLOCK), Schedule.mixed(layers, 2, placement, block));
    }
    for (Placement placement : List.of(Placement.BOTTOM, Placement.TOP)) {
      out.put(mixed(1, placement, WINDOW), Schedule.mixed(layers, 1, placement, window));
    }
    return out;
  }

  /** The patterns that a model with full attention is converted to. */
  static List<String> conversions() {
    return List.of(
        RecallFindings.FULL,
        mixed(2, Placement.BOTTOM, BLOCK),
        mixed(1, Placement.BOTTOM, BLOCK),
        mixed(2, Placement.TOP, BLOCK),
        BLOCK);
  }

  /** Optimiser steps that are not done yet. */
  @Override
  public long left() {
    long left = 0;
    for (String name : patterns(plan).keySet()) {
      left += done(name) ? 0 : plan.steps();
    }
    left += done(SHORT) ? 0 : plan.steps();
    for (String name : conversions()) {
      left += done(converted(name)) ? 0 : plan.convertSteps();
    }
    return left;
  }

  private boolean done(String name) {
    return ModelRun.finished(at(name)) != null;
  }

  private Path at(String name) {
    return folder.resolve(name.replaceAll("[ ,]+", "-"));
  }

  private static String converted(String name) {
    return "converted to " + name;
  }

  /** Trains what is not trained yet, measures it; null when it was asked to stop. */
  @Override
  public @Nullable RecallFindings run(ModelRuns runs, StageProgress progress) throws IOException {
    Map<String, String> patterns = patterns(plan);
    List<TokenBatch> test = data.test(plan.testRows());
    List<RecallFindings.Row> rows = new ArrayList<>();
    for (Map.Entry<String, String> pattern : patterns.entrySet()) {
      String name = pattern.getKey();
      ModelConfig shape = plan.shape(pattern.getValue(), plan.length());
      Trained one = fit(runs, progress, name, shape, null, data);
      if (one == null) {
        return null;
      }
      Schedule schedule = Schedule.parse(pattern.getValue(), plan.layers(), plan.heads());
      RecallData.Score score = score(name, one.model(), test);
      rows.add(
          new RecallFindings.Row(
              name,
              schedule.letters(),
              Pairs.ratio(schedule, plan.length()),
              score.recall(),
              score.perplexity(),
              one.seconds()));
    }
    Trained start = fit(runs, progress, SHORT, plan.shape("full", plan.length() / 2), null, half);
    if (start == null) {
      return null;
    }
    List<RecallFindings.Conversion> conversions = new ArrayList<>();
    for (String name : conversions()) {
      Path from = at(converted(name)).resolve("start");
      convert(
          backend, start.model(), from, String.valueOf(patterns.get(name)), plan.length(), seed);
      RecallData.Score before = score(converted(name) + ", before", from, test);
      ModelConfig shape = plan.shape("full", plan.length());
      Trained one = fit(runs, progress, converted(name), shape, from, data);
      if (one == null) {
        return null;
      }
      RecallData.Score after = score(converted(name), one.model(), test);
      conversions.add(new RecallFindings.Conversion(name, before.recall(), after.recall()));
    }
    return new RecallFindings("seed " + seed, List.copyOf(rows), List.copyOf(conversions));
  }

  private @Nullable Trained fit(
      ModelRuns runs,
      StageProgress progress,
      String name,
      ModelConfig shape,
      @Nullable Path start,
      RecallData of) {
    progress.stage("seed " + seed + ": " + name);
    // The same first weights and rows for all patterns of a seed.
    return runs.fit(
        new ModelRun(at(name), backend, progress)
            .by(RecallData::objective)
            .first(RecallPlan::first),
        run ->
            run.fit(
                name,
                shape,
                start,
                plan.loop(start != null, seed),
                of.batches(plan.rows(), plan.trainRows()),
                List.of()));
  }

  /** Writes a model converted to another schedule and length, unless it is there already. */
  static void convert(
      Backend backend, Path model, Path to, String schedule, int length, long seed) {
    if (Files.exists(to.resolve("config.json"))) {
      return;
    }
    try (Decoder from = ModelFolder.load(model, backend, DType.F32);
        Decoder longer = Conversion.convert(from, schedule, length, PositionMode.TILE, seed)) {
      ModelFolder.save(longer, to, Map.of());
    }
  }

  private RecallData.Score score(String name, Path model, List<TokenBatch> test) {
    double[] values =
        log.get(
                name,
                () -> {
                  try (Decoder loaded = ModelFolder.load(model, backend, DType.F32)) {
                    RecallData.Score score = RecallData.score(loaded, test);
                    return new double[] {score.recall(), score.perplexity()};
                  }
                })
            .values();
    return new RecallData.Score(values[0], values[1]);
  }

  /** The training losses of a pattern. */
  static Curve curve(Path folder, String name) {
    var run = new RunDirectory(folder.resolve(name.replaceAll("[ ,]+", "-")));
    return Curve.of(run.lines("metrics.jsonl"), "loss");
  }
}
