package io.heddle.methods.finetune;

import com.fasterxml.jackson.databind.JsonNode;
import io.heddle.metrics.Confusion;
import io.heddle.models.Classifier;
import io.heddle.progress.ProgressListener;
import io.heddle.report.HeatMap;
import io.heddle.report.LineChart;
import io.heddle.report.Report;
import io.heddle.train.RunDirectory;
import io.heddle.train.RunDirectory.Curve;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.IntStream;

/** The report of a classification run: curves, labels one by one, and the surest mistakes. */
final class ClassifyReport {
  private static final int MISTAKES = 20;
  private static final int MOST_LABELS = 30;

  private ClassifyReport() {}

  static void write(RunDirectory run, Classification task, Map<String, Double> measures)
      throws IOException {
    Classifier model = task.model();
    Map<String, Object> facts = new LinkedHashMap<>();
    facts.put("model", model.describe());
    facts.put("parameters", model.parameters().count());
    facts.put("backend", model.backend().name());
    facts.put("training examples", task.data().rows().size());
    ClassifyData dev = task.dev();
    facts.put("development examples", dev == null ? 0 : dev.rows().size());
    measures.forEach((name, value) -> facts.put("development " + name, format("%.4f", value)));
    Report report = Report.title(task.title()).facts(facts).section("Curves").chart(loss(run));
    if (dev != null) {
      report.chart(scores(run));
      labels(report, task, dev);
    }
    report.write(run.root().resolve("report.html"));
  }

  private static String format(String pattern, double value) {
    return String.format(Locale.ROOT, pattern, value);
  }

  private static LineChart loss(RunDirectory run) {
    List<JsonNode> lines = run.lines("metrics.jsonl");
    return add(
        add(new LineChart("Loss", "step", "nats per example"), "training", lines, "loss"),
        "development",
        lines,
        "dev_loss");
  }

  private static LineChart scores(RunDirectory run) {
    List<JsonNode> lines = run.lines("metrics.jsonl");
    LineChart chart = new LineChart("Development part", "step", "share");
    return add(add(chart, "accuracy", lines, "dev_accuracy"), "macro F1", lines, "dev_f1");
  }

  static LineChart add(LineChart chart, String name, List<JsonNode> lines, String key) {
    Curve curve = Curve.of(lines, key);
    return curve.steps().length == 0 ? chart : chart.series(name, curve.steps(), curve.values());
  }

  private static void labels(Report report, Classification task, ClassifyData dev) {
    List<String> labels = task.model().labels();
    Classification.Predictions found = task.devPredictions(dev, ProgressListener.NONE);
    Confusion confusion = Classification.confusion(found, dev, labels.size());
    double[][] counts = new double[labels.size()][labels.size()];
    for (int i = 0; i < found.predicted().length; i++) {
      if (dev.targets()[i] >= 0) {
        counts[dev.targets()[i]][found.predicted()[i]]++;
      }
    }
    List<List<Object>> rows = new ArrayList<>();
    for (int c = 0; c < labels.size(); c++) {
      rows.add(
          List.of(
              labels.get(c),
              (long) java.util.Arrays.stream(counts[c]).sum(),
              format("%.4f", confusion.precision(c)),
              format("%.4f", confusion.recall(c)),
              format("%.4f", confusion.f1(c))));
    }
    report.section("Labels").table(List.of("label", "examples", "precision", "recall", "F1"), rows);
    if (labels.size() <= MOST_LABELS) {
      double most =
          java.util.Arrays.stream(counts).flatMapToDouble(java.util.Arrays::stream).max().orElse(1);
      report.svg(
          "Rows: the right label; columns: the predicted one.",
          new HeatMap(labels, labels, counts, Math.max(1, most)).svg());
    }
    report
        .section("The surest mistakes")
        .table(List.of("probability", "predicted", "right", "text"), mistakes(found, dev, labels));
  }

  private static List<List<Object>> mistakes(
      Classification.Predictions found, ClassifyData dev, List<String> labels) {
    return IntStream.range(0, found.predicted().length)
        .filter(i -> dev.targets()[i] >= 0 && dev.targets()[i] != found.predicted()[i])
        .boxed()
        .sorted(Comparator.comparingDouble(i -> -found.probabilities()[i][found.predicted()[i]]))
        .limit(MISTAKES)
        .map(
            i -> {
              String second = dev.texts().get(i).second();
              return List.<Object>of(
                  format("%.3f", found.probabilities()[i][found.predicted()[i]]),
                  labels.get(found.predicted()[i]),
                  labels.get(dev.targets()[i]),
                  dev.texts().get(i).first() + (second == null ? "" : " | " + second));
            })
        .toList();
  }
}
