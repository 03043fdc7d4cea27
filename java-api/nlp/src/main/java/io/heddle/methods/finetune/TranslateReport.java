package io.heddle.methods.finetune;

import com.fasterxml.jackson.databind.JsonNode;
import io.heddle.metrics.BleuScore;
import io.heddle.metrics.Tally;
import io.heddle.report.LineChart;
import io.heddle.report.Report;
import io.heddle.train.RunDirectory;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** The report of a translation run: scores with their signature, curves, some translations. */
final class TranslateReport {
  private static final int SHOWN = 20;

  private TranslateReport() {}

  static void write(RunDirectory run, Translation task, Map<String, Double> measures)
      throws IOException {
    Map<String, Object> facts = new LinkedHashMap<>();
    facts.put("model", task.model().family());
    facts.put("parameters", task.parameters().count());
    facts.put("backend", task.parameters().backend().name());
    facts.put("training pairs", task.parts().train().size());
    measures.forEach((name, value) -> facts.put("development " + name, format("%.4f", value)));
    TranslateData test = task.parts().test();
    if (test != null) {
      Tally<BleuScore> score = Translation.bleu(test, task.tested());
      Translation.Decoding how = task.setting().decoding();
      facts.put("test BLEU", format("%.2f ", score.score().value()) + score.score().details());
      facts.put("signature", score.signature());
      facts.put(
          "decoding", how.beams() + " beams, length penalty " + how.alpha() + ", K " + how.k());
      run.write("test.translations.txt", String.join("\n", task.tested()) + "\n");
    }
    List<JsonNode> lines = run.lines("metrics.jsonl");
    LineChart loss = new LineChart("Loss", "step", "nats per target token");
    ClassifyReport.add(loss, "training", lines, "loss");
    ClassifyReport.add(loss, "development", lines, "dev_loss");
    Report report = Report.title(task.title()).facts(facts).section("Curves").chart(loss);
    if (task.parts().dev() != null) {
      LineChart bleu = new LineChart("Development part, greedy", "step", "BLEU");
      report.chart(ClassifyReport.add(bleu, "BLEU", lines, "dev_bleu"));
    }
    if (test != null) {
      List<List<Object>> rows = new ArrayList<>();
      for (int i = 0; i < Math.min(SHOWN, test.size()); i++) {
        rows.add(
            List.of(
                test.texts().get(i).source(), task.tested().get(i), test.texts().get(i).target()));
      }
      report.section("Test part").table(List.of("source", "translation", "reference"), rows);
    }
    report.write(run.root().resolve("report.html"));
  }

  private static String format(String pattern, double value) {
    return String.format(Locale.ROOT, pattern, value);
  }
}
