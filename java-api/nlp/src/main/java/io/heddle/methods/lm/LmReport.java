package io.heddle.methods.lm;

import com.fasterxml.jackson.databind.JsonNode;
import io.heddle.models.Decoder;
import io.heddle.models.Schedule;
import io.heddle.op.pattern.AttentionPattern;
import io.heddle.report.LayoutPicture;
import io.heddle.report.LineChart;
import io.heddle.report.Report;
import io.heddle.train.RunDirectory;
import io.heddle.train.RunDirectory.Curve;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * The report of a language-modelling run: what was trained, how the loss fell, how fast, and who
 * saw whom.
 */
final class LmReport {
  private LmReport() {}

  static void write(
      RunDirectory run, String title, Decoder model, LmData data, LmConfig config, Score held)
      throws IOException {
    Map<String, Object> facts = new LinkedHashMap<>();
    facts.put("parameters", model.parameters().count());
    facts.put("element type", model.parameters().dtype());
    facts.put("backend", model.backend().name());
    facts.put("attention", model.config().schedule());
    facts.put("tokens of a row @ step", config.curriculum());
    facts.put("training tokens", data.train().length);
    facts.put("held-out loss", format("%.4f nats per token", held.loss()));
    facts.put("held-out perplexity", format("%.2f", held.perplexity()));
    facts.put("held-out bits per byte", format("%.4f", held.bitsPerByte()));
    facts.put("by frequency alone", format("%.4f nats per token", data.unigramNats()));
    Report.title(title)
        .facts(facts)
        .section("Loss")
        .chart(loss(run))
        .section("Speed")
        .chart(speed(run))
        .section("Attention")
        .svg("One square per layer: row = query, column = key, filled = seen.", layouts(model))
        .write(run.root().resolve("report.html"));
  }

  private static String format(String pattern, double value) {
    return String.format(Locale.ROOT, pattern, value);
  }

  private static LineChart loss(RunDirectory run) {
    List<JsonNode> lines = run.lines("metrics.jsonl");
    Curve training = Curve.of(lines, "loss");
    Curve held = Curve.of(lines, "held_loss");
    return new LineChart("Loss", "step", "nats per token")
        .series("training", training.steps(), training.values())
        .series("held out", held.steps(), held.values());
  }

  private static LineChart speed(RunDirectory run) {
    Curve rate = run.speed();
    return new LineChart("Speed", "step", "tokens per second")
        .series("training", rate.steps(), rate.values());
  }

  private static String layouts(Decoder model) {
    Schedule schedule = model.schedule();
    LayoutPicture picture = new LayoutPicture();
    long length = model.config().context();
    for (int layer = 0; layer < schedule.layers(); layer++) {
      List<AttentionPattern> groups =
          schedule.groups(layer).stream().map(Schedule::pattern).toList();
      picture.layer(
          "layer " + layer + ": " + schedule.describe(layer),
          length,
          length,
          (q, k) -> groups.stream().anyMatch(p -> p.allows(q, k)));
    }
    return picture.svg();
  }
}
