package io.heddle.methods.finetune;

import io.heddle.autograd.Tape;
import io.heddle.metrics.Calibration;
import io.heddle.metrics.Confusion;
import io.heddle.models.Classifier;
import io.heddle.models.Encoder;
import io.heddle.nn.Parameters;
import io.heddle.op.Losses;
import io.heddle.progress.ProgressListener;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import io.heddle.text.Tokenizer;
import io.heddle.train.Objective;
import io.heddle.train.RunDirectory;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.LongFunction;
import org.jspecify.annotations.Nullable;

/** Classification of texts and pairs. */
public final class Classification implements FinetuneRun.Task<Classification.Batch> {
  private static final int BINS = 15;

  private final Classifier model;
  private final Tokenizer tokenizer;
  private final int padding;
  private final RowBatches train;
  private final ClassifyData data;
  private final @Nullable ClassifyData dev;
  private final int size;
  private final float smoothing;
  private final String title;

  /**
   * A task.
   *
   * @param data to train on
   * @param dev the development part, or null
   * @param size rows of a batch
   * @param smoothing label smoothing
   */
  public Classification(
      String title,
      Classifier model,
      Tokenizer tokenizer,
      ClassifyData data,
      @Nullable ClassifyData dev,
      int size,
      float smoothing,
      long seed) {
    this.title = title;
    this.model = model;
    this.tokenizer = tokenizer;
    this.padding = padding(tokenizer);
    this.train = new RowBatches(data.rows(), size, padding, seed);
    this.data = data;
    this.dev = dev;
    this.size = size;
    this.smoothing = smoothing;
  }

  /** The id of the padding token; 0 where there is none: the mask hides it. */
  static int padding(Tokenizer tokenizer) {
    return tokenizer.id("[PAD]").orElse(tokenizer.id("<pad>").orElse(0));
  }

  /**
   * A batch.
   *
   * @param rows tokens
   * @param targets index of each row's label
   */
  @SuppressWarnings("ArrayRecordComponent") // as the loss takes them; never compared
  public record Batch(Encoder.Batch rows, int[] targets) {}

  /**
   * What a model says about examples.
   *
   * @param predicted index of the likeliest label of each
   * @param probabilities of all labels, per example
   * @param loss mean cross-entropy in nats, without smoothing; NaN without targets
   */
  @SuppressWarnings("ArrayRecordComponent") // one row per example; never compared
  public record Predictions(int[] predicted, double[][] probabilities, double loss) {}

  /** The model. */
  Classifier model() {
    return model;
  }

  /** The data to train on. */
  ClassifyData data() {
    return data;
  }

  /** The development part. */
  @Nullable ClassifyData dev() {
    return dev;
  }

  @Override
  public String title() {
    return title;
  }

  /** Batches of an epoch. */
  public int batchesPerEpoch() {
    return train.perEpoch();
  }

  @Override
  public Parameters parameters() {
    return model.parameters();
  }

  @Override
  public LongFunction<Batch> batches() {
    return number -> {
      int[] indices = train.batch(number);
      int[] targets = new int[indices.length];
      for (int i = 0; i < targets.length; i++) {
        targets[i] = data.targets()[indices[i]];
      }
      return new Batch(train.padded(indices), targets);
    };
  }

  @Override
  public Objective<Batch> objective() {
    return (t, batch, gradScale) -> {
      int n = batch.targets.length;
      Tensor logits = model.logits(t, batch.rows);
      Tensor targets = t.tensor(DType.I32, n).copyFrom(batch.targets);
      Tensor losses = Losses.crossEntropy(t, logits, targets, smoothing, gradScale / n);
      return new Objective.Loss(Losses.sum(losses), n);
    };
  }

  /** What {@code model} says about {@code data}. */
  public static Predictions predict(
      Classifier model,
      Tokenizer tokenizer,
      ClassifyData data,
      int size,
      ProgressListener progress) {
    RowBatches batches = new RowBatches(data.rows(), size, padding(tokenizer), 0);
    int labels = model.labels().size();
    int[] predicted = new int[data.rows().size()];
    double[][] probabilities = new double[predicted.length][];
    double nats = 0;
    long counted = 0;
    progress.begin("predict", predicted.length, "text");
    long done = 0;
    for (int[] indices : batches.all()) {
      float[] logits;
      try (Tape t = Tape.inference(model.backend())) {
        logits = model.logits(t, batches.padded(indices)).toFloats();
      }
      for (int b = 0; b < indices.length; b++) {
        double[] p = softmax(logits, b * labels, labels);
        int i = indices[b];
        probabilities[i] = p;
        predicted[i] = largest(p);
        if (data.targets()[i] >= 0) {
          nats -= Math.log(Math.max(p[data.targets()[i]], Double.MIN_NORMAL));
          counted++;
        }
      }
      done += indices.length;
      progress.advance(done, "");
    }
    progress.end("");
    return new Predictions(predicted, probabilities, nats / counted);
  }

  private static double[] softmax(float[] logits, int from, int count) {
    double most = Double.NEGATIVE_INFINITY;
    for (int i = 0; i < count; i++) {
      most = Math.max(most, logits[from + i]);
    }
    double[] out = new double[count];
    double sum = 0;
    for (int i = 0; i < count; i++) {
      out[i] = Math.exp(logits[from + i] - most);
      sum += out[i];
    }
    for (int i = 0; i < count; i++) {
      out[i] /= sum;
    }
    return out;
  }

  private static int largest(double[] values) {
    int at = 0;
    for (int i = 1; i < values.length; i++) {
      at = values[i] > values[at] ? i : at;
    }
    return at;
  }

  /** Accuracy, macro F1, Matthews' correlation, calibration error and loss of predictions. */
  public static Map<String, Double> measures(
      Predictions predictions, ClassifyData data, int labels) {
    Confusion confusion = confusion(predictions, data, labels);
    Calibration calibration = new Calibration(BINS);
    for (int i = 0; i < predictions.predicted.length; i++) {
      int predicted = predictions.predicted[i];
      if (data.targets()[i] >= 0) {
        double p = Math.min(1, predictions.probabilities[i][predicted]);
        calibration.add(p, predicted == data.targets()[i]);
      }
    }
    Confusion.Score score = confusion.score();
    Map<String, Double> out = new LinkedHashMap<>();
    out.put("accuracy", score.accuracy());
    out.put("f1", score.macroF1());
    out.put("mcc", score.matthews());
    out.put("ece", calibration.score().expected());
    out.put("loss", predictions.loss);
    return out;
  }

  /** How often each label was taken for each. */
  static Confusion confusion(Predictions predictions, ClassifyData data, int labels) {
    Confusion confusion = new Confusion(labels);
    for (int i = 0; i < predictions.predicted.length; i++) {
      if (data.targets()[i] >= 0) {
        confusion.add(data.targets()[i], predictions.predicted[i]);
      }
    }
    return confusion;
  }

  @Override
  public Map<String, Double> measure(ProgressListener progress) {
    if (dev == null) {
      return Map.of();
    }
    return measures(devPredictions(dev, progress), dev, model.labels().size());
  }

  Predictions devPredictions(ClassifyData part, ProgressListener progress) {
    return predict(model, tokenizer, part, Math.max(size, 64), progress);
  }

  @Override
  public boolean larger(String measure) {
    return !measure.equals("loss") && !measure.equals("ece");
  }

  @Override
  public void save(Path folder) throws IOException {
    model.save(folder);
    tokenizer.save(folder);
  }

  @Override
  public void report(RunDirectory run, Map<String, Double> measures) throws IOException {
    ClassifyReport.write(run, this, measures);
  }
}
