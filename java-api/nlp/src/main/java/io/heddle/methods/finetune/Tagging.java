package io.heddle.methods.finetune;

import io.heddle.autograd.Tape;
import io.heddle.data.TaggedWords;
import io.heddle.metrics.Chunks;
import io.heddle.models.Classifier;
import io.heddle.models.Encoder;
import io.heddle.nn.Parameters;
import io.heddle.op.Losses;
import io.heddle.progress.ProgressListener;
import io.heddle.report.LineChart;
import io.heddle.report.Report;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import io.heddle.text.Tokenizer;
import io.heddle.train.Objective;
import io.heddle.train.RunDirectory;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.LongFunction;
import org.jspecify.annotations.Nullable;

/** Tags of words: names, chunks, parts of speech. */
public final class Tagging implements FinetuneRun.Task<Tagging.Batch> {
  private final String title;
  private final Classifier model;
  private final Tokenizer tokenizer;
  private final TagData data;
  private final @Nullable TagData dev;
  private final RowBatches train;
  private final int size;
  private final float smoothing;

  /**
   * A task.
   *
   * @param model gives each token scores
   * @param data to train on
   * @param dev the development part, or null
   * @param size rows of a batch
   * @param smoothing label smoothing
   */
  public Tagging(
      String title,
      Classifier model,
      Tokenizer tokenizer,
      TagData data,
      @Nullable TagData dev,
      int size,
      float smoothing,
      long seed) {
    this.title = title;
    this.model = model;
    this.tokenizer = tokenizer;
    this.data = data;
    this.dev = dev;
    this.size = size;
    this.smoothing = smoothing;
    this.train = new RowBatches(data.rows(), size, Classification.padding(tokenizer), seed);
  }

  /**
   * A batch.
   *
   * @param rows tokens [B][T]
   * @param targets [B*T]: the tag of the word that begins there, else {@link Losses#IGNORE}
   */
  @SuppressWarnings("ArrayRecordComponent") // as the loss takes them; never compared
  public record Batch(Encoder.Batch rows, int[] targets) {}

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
    return number -> batch(train, data, train.batch(number));
  }

  private static Batch batch(RowBatches batches, TagData data, int[] indices) {
    Encoder.Batch rows = batches.padded(indices);
    int length = rows.ids()[0].length;
    int[] targets = new int[indices.length * length];
    Arrays.fill(targets, Losses.IGNORE);
    for (int b = 0; b < indices.length; b++) {
      TagData.Part part = data.parts().get(indices[b]);
      for (int w = 0; w < part.at().length; w++) {
        if (part.targets()[w] >= 0) {
          targets[b * length + part.at()[w]] = part.targets()[w];
        }
      }
    }
    return new Batch(rows, targets);
  }

  @Override
  public Objective<Batch> objective() {
    return (t, batch, gradScale) -> {
      long n = Losses.scored(batch.targets);
      return new Objective.Loss(loss(t, model, batch, smoothing, gradScale / Math.max(1, n)), n);
    };
  }

  private static double loss(
      Tape t, Classifier model, Batch batch, float smoothing, float gradScale) {
    Tensor logits = model.logits(t, batch.rows);
    Tensor targets = t.tensor(DType.I32, batch.targets.length).copyFrom(batch.targets);
    return Losses.sum(Losses.crossEntropy(t, logits, targets, smoothing, gradScale));
  }

  /**
   * Tags of all words of sentences.
   *
   * @param progress hears of every row
   */
  public static List<List<String>> predict(
      Classifier model, Tokenizer tokenizer, TagData data, int size, ProgressListener progress) {
    RowBatches batches = new RowBatches(data.rows(), size, Classification.padding(tokenizer), 0);
    List<String[]> out = new ArrayList<>();
    data.sentences().forEach(sentence -> out.add(new String[sentence.words().size()]));
    int labels = model.labels().size();
    progress.begin("tag", data.parts().size(), "row");
    long done = 0;
    for (int[] indices : batches.all()) {
      Encoder.Batch rows = batches.padded(indices);
      int length = rows.ids()[0].length;
      float[] logits;
      try (Tape t = Tape.inference(model.backend())) {
        logits = model.logits(t, rows).toFloats();
      }
      for (int b = 0; b < indices.length; b++) {
        TagData.Part part = data.parts().get(indices[b]);
        for (int w = 0; w < part.at().length; w++) {
          int from = (b * length + part.at()[w]) * labels;
          int best = 0;
          for (int c = 1; c < labels; c++) {
            best = logits[from + c] > logits[from + best] ? c : best;
          }
          out.get(part.sentence())[part.from() + w] = model.labels().get(best);
        }
      }
      done += indices.length;
      progress.advance(done, "");
    }
    progress.end("");
    return out.stream().map(List::of).toList();
  }

  /** Share of right tags and, of chunks, precision, recall and F1. */
  public static Map<String, Double> measures(
      List<TaggedWords> sentences, List<List<String>> predicted) {
    Chunks chunks = new Chunks();
    long words = 0;
    long right = 0;
    for (int s = 0; s < predicted.size(); s++) {
      List<String> tags = sentences.get(s).tags();
      if (!tags.isEmpty()) {
        chunks.add(tags, predicted.get(s));
        for (int w = 0; w < tags.size(); w++) {
          words++;
          right += tags.get(w).equals(predicted.get(s).get(w)) ? 1 : 0;
        }
      }
    }
    Map<String, Double> out = new LinkedHashMap<>();
    out.put("accuracy", (double) right / words);
    out.put("precision", chunks.score().precision());
    out.put("recall", chunks.score().recall());
    out.put("f1", chunks.score().f1());
    return out;
  }

  @Override
  public Map<String, Double> measure(ProgressListener progress) {
    return dev == null
        ? Map.of()
        : measures(dev.sentences(), predict(model, tokenizer, dev, Math.max(size, 32), progress));
  }

  @Override
  public void save(Path folder) throws IOException {
    model.save(folder);
    tokenizer.save(folder);
  }

  @Override
  public void report(RunDirectory run, Map<String, Double> measures) throws IOException {
    Map<String, Object> facts = new LinkedHashMap<>();
    facts.put("model", model.describe());
    facts.put("parameters", model.parameters().count());
    facts.put("backend", model.backend().name());
    facts.put("tags", model.labels().size());
    facts.put("training sentences", data.sentences().size());
    facts.put("development sentences", dev == null ? 0 : dev.sentences().size());
    measures.forEach(
        (name, value) ->
            facts.put("development " + name, String.format(Locale.ROOT, "%.4f", value)));
    var lines = run.lines("metrics.jsonl");
    LineChart loss = new LineChart("Loss", "step", "nats per word");
    Report report =
        Report.title(title)
            .facts(facts)
            .section("Curves")
            .chart(ClassifyReport.add(loss, "training", lines, "loss"));
    if (dev != null) {
      LineChart scores = new LineChart("Development part", "step", "share");
      ClassifyReport.add(scores, "accuracy", lines, "dev_accuracy");
      report.chart(ClassifyReport.add(scores, "F1 of chunks", lines, "dev_f1"));
    }
    report.write(run.root().resolve("report.html"));
  }
}
