package io.heddle.methods.merge;

import io.heddle.backend.Backend;
import io.heddle.data.TokenBatch;
import io.heddle.methods.study.EvaluationLog;
import io.heddle.methods.study.ModelRun;
import io.heddle.models.Decoder;
import io.heddle.models.ModelFolder;
import io.heddle.tensor.DType;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Function;
import java.util.function.Supplier;

/** Scores models on sources, once each; what was scored before is taken from the log. */
final class Scorer {
  private final Backend backend;
  private final EvaluationLog log;
  private double seconds;

  Scorer(Backend backend, Path log) {
    this.backend = backend;
    this.log = new EvaluationLog(log);
  }

  private static double[] losses(
      Supplier<Decoder> model,
      List<TrainingSource> of,
      Function<TrainingSource, List<TokenBatch>> part) {
    Decoder formed = model.get();
    return of.stream().mapToDouble(source -> ModelRun.loss(formed, part.apply(source))).toArray();
  }

  /** Mean validation loss, in nats per token: what every search makes small. */
  double validation(String name, Supplier<Decoder> model, List<TrainingSource> on) {
    EvaluationLog.Entry entry =
        log.get(
            "validation of " + name + " on " + on.size(),
            () -> losses(model, on, TrainingSource::validation));
    seconds += entry.seconds();
    return Arrays.stream(entry.values()).average().orElse(Double.NaN);
  }

  /** Test loss on each source, above its floor. */
  List<Double> test(String name, Supplier<Decoder> model, List<TrainingSource> on) {
    double[] losses =
        log.get(
                "test of " + name + " on " + on.size(),
                () -> losses(model, on, TrainingSource::test))
            .values();
    List<Double> out = new ArrayList<>();
    for (int i = 0; i < losses.length; i++) {
      out.add(losses[i] - on.get(i).floor());
    }
    return out;
  }

  /** As {@link #test} of a model folder. */
  List<Double> test(String name, Path folder, List<TrainingSource> on) {
    try (Loaded model = new Loaded(folder)) {
      return test(name, model, on);
    }
  }

  /** As {@link #validation} of a model folder. */
  double validation(String name, Path folder, List<TrainingSource> on) {
    try (Loaded model = new Loaded(folder)) {
      return validation(name, model, on);
    }
  }

  /** Seconds of validation since the last call of this, whenever they were spent. */
  double takeSeconds() {
    double taken = seconds;
    seconds = 0;
    return taken;
  }

  /** Tokens that so many validations score. */
  static long tokens(int evaluations, List<TrainingSource> on) {
    return evaluations * on.stream().mapToLong(TrainingSource::validationTokens).sum();
  }

  /** A model that is loaded if somebody asks for it. */
  private final class Loaded implements Supplier<Decoder>, AutoCloseable {
    private final Path from;
    private final List<Decoder> loaded = new ArrayList<>();

    Loaded(Path from) {
      this.from = from;
    }

    @Override
    public Decoder get() {
      if (loaded.isEmpty()) {
        loaded.add(ModelFolder.load(from, backend, DType.F32));
      }
      return loaded.getFirst();
    }

    @Override
    public void close() {
      loaded.forEach(Decoder::close);
    }
  }
}
