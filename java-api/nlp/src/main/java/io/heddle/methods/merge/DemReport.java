package io.heddle.methods.merge;

import io.heddle.models.Schedule;
import io.heddle.op.pattern.AttentionPattern;
import io.heddle.report.BarChart;
import io.heddle.report.LayoutPicture;
import io.heddle.report.LineChart;
import io.heddle.report.Report;
import io.heddle.train.RunDirectory;
import io.heddle.train.RunDirectory.Curve;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;

/** The report of a {@link DemStudy}. */
final class DemReport {
  private DemReport() {}

  static void write(Path root, DemStudy.Findings f) throws IOException {
    List<String> header = new ArrayList<>(List.of("model"));
    header.addAll(f.distributions());
    List<List<Object>> table = new ArrayList<>();
    BarChart bars =
        new BarChart("Perplexity on test text, by distribution", "perplexity", f.distributions());
    for (DemStudy.Row row : f.rows()) {
      List<Object> cells = new ArrayList<>(List.of(row.model()));
      for (double perplexity : row.perplexities()) {
        cells.add(Math.round(perplexity * 100) / 100.0);
      }
      table.add(cells);
      if (!row.model().startsWith("base, full")) {
        double[] heights = row.perplexities().stream().mapToDouble(Double::doubleValue).toArray();
        bars.series(row.model().replaceAll(",.*", ""), heights);
      }
    }
    List<Object> unigram = new ArrayList<>(List.of("by frequency alone"));
    f.unigram().forEach(p -> unigram.add(Math.round(p * 10) / 10.0));
    table.add(unigram);
    Report report =
        Report.title("Quickstart: mixed attention and a Distribution Edited Model")
            .paragraph(
                "A small language model learns English from WordNet's definitions, with full attention in one layer and a window of 32"
                    + " tokens in the others, beside a twin with full attention everywhere. Two copies go on learning, one on animals and"
                    + " plants, one on verbs; weighted differences of their weights are then added to the base (DEM). Weights were chosen"
                    + " on validation text among "
                    + f.evaluations()
                    + " candidates.")
            .section("Perplexity on test text")
            .table(header, table)
            .chart(bars)
            .section("Learning")
            .chart(loss(root))
            .chart(speed(root))
            .section("Who sees whom")
            .svg(
                "Attention of the mixed model: row = query, column = key, filled = seen.",
                layouts());
    report.section("Sentences drawn from the merged model");
    f.samples().forEach(report::paragraph);
    report.write(root.resolve("report.html"));
  }

  private static LineChart loss(Path root) {
    return stages(
        root,
        new LineChart("Training loss", "step", "nats per token"),
        run -> Curve.of(run.lines("metrics.jsonl"), "loss"));
  }

  private static LineChart speed(Path root) {
    return stages(root, new LineChart("Speed", "step", "tokens per second"), RunDirectory::speed);
  }

  private static LineChart stages(Path root, LineChart chart, Function<RunDirectory, Curve> of) {
    for (String stage : new String[] {"base", "twin"}) {
      Curve curve = of.apply(new RunDirectory(root.resolve(stage)));
      chart.series(
          stage.equals("base") ? "mixed attention" : "full attention",
          curve.steps(),
          curve.values());
    }
    return chart;
  }

  private static String layouts() {
    Schedule schedule = Schedule.parse(DemStudy.SCHEDULE, DemStudy.LAYERS, DemStudy.HEADS);
    LayoutPicture picture = new LayoutPicture();
    for (int layer = 0; layer < schedule.layers(); layer++) {
      AttentionPattern pattern = Schedule.pattern(schedule.groups(layer).get(0));
      picture.layer(
          "layer " + layer + ": " + schedule.describe(layer),
          DemStudy.LENGTH,
          DemStudy.LENGTH,
          pattern::allows);
    }
    return picture.svg();
  }
}
