package io.heddle.methods.finetune;

import com.fasterxml.jackson.databind.JsonNode;
import io.heddle.report.LineChart;
import io.heddle.report.Report;
import io.heddle.train.RunDirectory;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * The report of a run that learns to write: curves, and what was written beside what was wanted.
 */
final class WritingReport {
  private static final int EXAMPLES = 20;

  private WritingReport() {}

  /**
   * Writes it.
   *
   * @param examples question, target and text written, of the development part
   */
  static void write(
      RunDirectory run,
      String title,
      Map<String, Object> facts,
      Map<String, Double> measures,
      List<List<String>> examples)
      throws IOException {
    Map<String, Object> all = new LinkedHashMap<>(facts);
    measures.forEach(
        (name, value) -> all.put("development " + name, String.format(Locale.ROOT, "%.4f", value)));
    List<JsonNode> lines = run.lines("metrics.jsonl");
    LineChart loss = new LineChart("Loss", "step", "nats per token of the target");
    ClassifyReport.add(loss, "training", lines, "loss");
    Report report =
        Report.title(title)
            .facts(all)
            .section("Curves")
            .chart(ClassifyReport.add(loss, "development", lines, "dev_loss"));
    if (!measures.isEmpty()) {
      LineChart scores = new LineChart("Development part", "step", "0 to 100");
      for (String name : measures.keySet()) {
        if (!name.equals("loss")) {
          ClassifyReport.add(scores, name, lines, "dev_" + name);
        }
      }
      report
          .chart(scores)
          .section("What was written")
          .table(
              List.of("question", "wanted", "written"),
              examples.subList(0, Math.min(EXAMPLES, examples.size())));
    }
    report.write(run.root().resolve("report.html"));
  }
}
