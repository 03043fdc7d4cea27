package io.heddle.methods.longrange;

import io.heddle.autograd.Tape;
import io.heddle.backend.Backend;
import io.heddle.data.Mix;
import io.heddle.data.PackedTokens;
import io.heddle.data.TokenBatch;
import io.heddle.methods.lm.LmData;
import io.heddle.methods.study.EvaluationLog;
import io.heddle.methods.study.ModelRun;
import io.heddle.methods.study.ModelRun.Trained;
import io.heddle.methods.study.ModelRuns;
import io.heddle.methods.study.StageProgress;
import io.heddle.models.Decoder;
import io.heddle.models.ModelConfig;
import io.heddle.models.ModelFolder;
import io.heddle.models.Schedule;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import io.heddle.train.RunDirectory;
import io.heddle.train.TrainConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.LongFunction;
import org.jspecify.annotations.Nullable;

/** One seed of the comparison on text: the same tokens, seeds and steps under each schedule. */
final class TextStudy implements ModelRuns.Study<TextFindings> {
  private static final int KINDS = 6; // the last: within quotations

  private final TextPlan plan;
  private final LmData data;
  private final Backend backend;
  private final Path folder;
  private final long seed;
  private final EvaluationLog log;
  private final Evidence evidence;
  private final Quotations quotations;
  private final Quotations startQuotations;

  TextStudy(TextPlan plan, LmData data, Backend backend, Path folder, long seed)
      throws IOException {
    this.plan = plan;
    this.data = data;
    this.backend = backend;
    this.folder = Files.createDirectories(folder);
    this.seed = seed;
    this.log = new EvaluationLog(folder.resolve("evaluations.jsonl"));
    // Blocks do not spread; windows add up from layer to layer.
    long reach = Schedule.parse(plan.sparse(), 1, 1).reach(0);
    boolean spreads = !plan.sparse().matches("block:\\d+(/0)?");
    long field = spreads ? plan.layers() * (reach - 1) : reach - 1;
    this.evidence =
        new Evidence(
            Schedule.pattern(plan.sparse()),
            field,
            data.tokenizer().vocabularySize(),
            data.train());
    this.quotations = new Quotations(plan.quoted(), plan.length(), field);
    this.startQuotations = new Quotations(plan.quoted(), plan.startLength(), 0);
  }

  /** Optimiser steps that are not done yet. */
  @Override
  public long left() {
    long left = 0;
    for (String name : plan.patterns().keySet()) {
      left += done(name) ? 0 : plan.steps();
      left += done(start(name)) ? 0 : plan.start();
    }
    return left;
  }

  private static String start(String name) {
    return name + "-start";
  }

  private boolean done(String name) {
    return ModelRun.finished(folder.resolve(name)) != null;
  }

  /** Trains what is not trained yet, measures it; null when it was asked to stop. */
  @Override
  public @Nullable TextFindings run(ModelRuns runs, StageProgress progress) {
    int vocabulary = data.tokenizer().vocabularySize();
    LongFunction<TokenBatch> shorter =
        batches(plan.startLength(), plan.startRows(), startQuotations);
    LongFunction<TokenBatch> batches = batches(plan.length(), plan.rows(), quotations);
    List<TextFindings.Row> rows = new ArrayList<>();
    for (Map.Entry<String, String> pattern : plan.patterns().entrySet()) {
      String name = pattern.getKey();
      String schedule = pattern.getValue();
      Path from = null;
      if (plan.start() > 0) {
        ModelConfig small = plan.startShape(name, vocabulary);
        Trained start =
            fit(runs, progress, start(name), small, null, plan.startLoop(seed), shorter);
        if (start == null) {
          return null;
        }
        from = folder.resolve(start(name)).resolve("converted");
        RecallStudy.convert(backend, start.model(), from, schedule, plan.length(), seed);
      }
      ModelConfig shape = plan.shape(schedule, vocabulary);
      Trained one = fit(runs, progress, name, shape, from, plan.loop(seed), batches);
      if (one == null) {
        return null;
      }
      rows.add(row(name, shape, one));
    }
    return new TextFindings("seed " + seed, List.copyOf(rows));
  }

  private LongFunction<TokenBatch> batches(int length, int rows, Quotations quoted) {
    PackedTokens packed = new PackedTokens(data.train(), length, rows, seed);
    return quoted.none()
        ? packed::batch
        : n -> quoted.in(packed.batch(n), new Mix(Mix.hash(seed) + n)).batch();
  }

  private @Nullable Trained fit(
      ModelRuns runs,
      StageProgress progress,
      String name,
      ModelConfig shape,
      @Nullable Path start,
      TrainConfig loop,
      LongFunction<TokenBatch> batches) {
    progress.stage("seed " + seed + ": " + name);
    return runs.fit(
        new ModelRun(folder.resolve(name), backend, plan.dtype(), progress),
        run -> run.fit(name, shape, start, loop, batches, List.of()));
  }

  private TextFindings.Row row(String name, ModelConfig shape, Trained one) {
    double[] values = log.get(name, () -> losses(one.model())).values();
    int windows = values.length / (2 * KINDS);
    List<TextFindings.Losses> kinds = new ArrayList<>();
    for (int kind = 0; kind < KINDS; kind++) {
      List<Double> sums = new ArrayList<>();
      List<Double> counts = new ArrayList<>();
      for (int w = 0; w < windows; w++) {
        sums.add(values[(w * KINDS + kind) * 2]);
        counts.add(values[(w * KINDS + kind) * 2 + 1]);
      }
      kinds.add(new TextFindings.Losses(List.copyOf(sums), List.copyOf(counts)));
    }
    CostModel.Cost cost =
        new CostModel(CostModel.Shape.of(shape), plan.length(), plan.dtype().bytes())
            .of(shape.schedule());
    return new TextFindings.Row(
        name,
        cost.letters(),
        cost.attention(),
        cost.model(),
        step(folder.resolve(name)),
        kinds.get(0),
        kinds.get(1),
        kinds.get(2),
        kinds.get(3),
        kinds.get(4),
        kinds.get(5));
  }

  // The first steps warm caches and clocks up.
  private static double step(Path run) {
    double[] seconds =
        new RunDirectory(run)
            .lines("timing.jsonl").stream()
                .mapToDouble(line -> line.path("seconds").asDouble())
                .sorted()
                .toArray();
    return seconds.length == 0 ? Double.NaN : seconds[seconds.length / 2];
  }

  // For each window and kind of token the sum of the losses and their number.
  private double[] losses(Path model) {
    List<double[]> windows = new ArrayList<>();
    try (Decoder loaded = ModelFolder.load(model, backend, plan.dtype())) {
      for (TokenBatch batch :
          data.heldBatches(plan.length(), Math.max(1, plan.length() / 2), plan.rows())) {
        float[] losses = losses(loaded, batch);
        List<double[]> here = new ArrayList<>();
        for (int r = 0; r < batch.rows(); r++) {
          here.add(window(batch, r, losses));
        }
        if (!quotations.none()) {
          Quotations.Quoted quoted = quotations.in(batch, new Mix(windows.size()));
          addQuoted(quoted, losses(loaded, quoted.batch()), here);
        }
        windows.addAll(here);
      }
    }
    return windows.stream().flatMapToDouble(Arrays::stream).toArray();
  }

  private static float[] losses(Decoder model, TokenBatch batch) {
    try (Tape t = Tape.inference(model.backend())) {
      int n = batch.ids().length;
      Tensor ids = t.tensor(DType.I32, n).copyFrom(batch.ids());
      Tensor targets = t.tensor(DType.I32, n).copyFrom(batch.targets());
      return model.losses(t, model.hidden(t, ids, batch.rows(), null), targets, 0).toFloats();
    }
  }

  // The last kind of each window.
  private static void addQuoted(Quotations.Quoted quoted, float[] losses, List<double[]> windows) {
    int[] targets = quoted.batch().targets();
    int length = targets.length / windows.size();
    quoted.foretold().stream()
        .filter(i -> targets[i] >= 0)
        .forEach(
            i -> {
              double[] window = windows.get(i / length);
              window[2 * KINDS - 2] += losses[i];
              window[2 * KINDS - 1]++;
            });
  }

  private double[] window(TokenBatch batch, int row, float[] losses) {
    int length = batch.ids().length / batch.rows();
    int[] ids = Arrays.copyOfRange(batch.ids(), row * length, (row + 1) * length);
    int[] next = Arrays.copyOfRange(batch.targets(), row * length, (row + 1) * length);
    Evidence.Kind[] kinds = evidence.of(ids, next);
    double[] out = new double[2 * KINDS];
    for (int i = 0; i < length; i++) {
      if (next[i] < 0) {
        continue;
      }
      boolean far = kinds[i] == Evidence.Kind.BEYOND || kinds[i] == Evidence.Kind.OUTSIDE;
      boolean[] is = {
        true,
        kinds[i] == Evidence.Kind.NEAR,
        far,
        kinds[i] == Evidence.Kind.OUTSIDE,
        far && evidence.novel(ids[i], next[i])
      };
      for (int kind = 0; kind < is.length; kind++) {
        if (is[kind]) {
          out[2 * kind] += losses[row * length + i];
          out[2 * kind + 1]++;
        }
      }
    }
    return out;
  }
}
