package io.heddle.methods.longrange;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.heddle.backend.Backend;
import io.heddle.methods.study.Claim;
import io.heddle.methods.study.Claim.Verdict;
import io.heddle.methods.study.Table;
import io.heddle.models.Schedule.Placement;
import io.heddle.report.BarChart;
import io.heddle.report.LineChart;
import io.heddle.report.Report;
import io.heddle.train.RunDirectory;
import io.heddle.train.RunDirectory.Curve;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.ToDoubleFunction;

/** The results of the recall experiment: {@code results.md}, {@code results.json}, a page. */
final class RecallReport {
  private static final ObjectMapper JSON =
      new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT);
  private static final double AS_COUNTED = 0.25;

  private final RecallPlan plan;
  private final Backend backend;
  private final List<RecallFindings> all;
  private final List<AttentionTimes.Time> times;
  private final List<RecallFindings> columns;
  private final List<Claim> claims;

  private RecallReport(
      RecallPlan plan, Backend backend, List<RecallFindings> all, List<AttentionTimes.Time> times) {
    this.plan = plan;
    this.backend = backend;
    this.all = all;
    this.times = times;
    List<RecallFindings> each = new ArrayList<>();
    if (all.size() > 1) {
      each.add(RecallFindings.mean(all));
    }
    each.addAll(all);
    this.columns = List.copyOf(each);
    this.claims = RecallClaims.of(columns);
  }

  /** Writes the three files; {@code curves} is the folder of the seed whose curves are drawn. */
  static void write(
      Path root,
      RecallPlan plan,
      Backend backend,
      List<RecallFindings> all,
      List<AttentionTimes.Time> times,
      Path curves)
      throws IOException {
    RecallReport report = new RecallReport(plan, backend, all, times);
    RunDirectory directory = new RunDirectory(root);
    directory.write("results.md", report.markdown());
    directory.write("results.json", JSON.writeValueAsString(report.json()) + "\n");
    report.page(curves).write(root.resolve("report.html"));
  }

  // ---- numbers over seeds ----

  private String over(ToDoubleFunction<RecallFindings> value, int places) {
    return Table.spread(all.stream().map(value::applyAsDouble).toList(), places);
  }

  private String percent(ToDoubleFunction<RecallFindings> value) {
    return over(f -> 100 * value.applyAsDouble(f), 1);
  }

  private List<String> patterns() {
    return all.getFirst().rows().stream().map(RecallFindings.Row::pattern).toList();
  }

  // ---- tables ----

  private List<Table> tables() {
    List<Table> out = new ArrayList<>(List.of(models(), claimed(), conversions()));
    if (!times.isEmpty()) {
      out.add(clock());
      out.add(clockClaim());
    }
    return out;
  }

  private Table models() {
    List<List<String>> rows = new ArrayList<>();
    for (RecallFindings.Row row : all.getFirst().rows()) {
      String p = row.pattern();
      rows.add(
          List.of(
              p,
              row.letters(),
              String.format(Locale.ROOT, "%.3f", row.pairs()),
              percent(f -> f.row(p).recall()),
              over(f -> f.row(p).perplexity(), 2),
              over(f -> f.row(p).seconds(), 1)));
    }
    return new Table(
        "Recall by pattern",
        "Mean and standard deviation over %d seeds. Letters: one for each layer, the bottom one first; F full, B block, W window. Chance is 12.5 %%."
            .formatted(all.size()),
        List.of(
            "pattern",
            "layers",
            "pairs ratio",
            "recall %",
            "local perplexity",
            "seconds of training"),
        rows);
  }

  private Table claimed() {
    return Claim.table(
        "What must hold",
        "Held against the mean of the seeds, and beside it against each seed.",
        columns.stream().map(RecallFindings::name).toList(),
        claims);
  }

  private Table conversions() {
    List<List<String>> rows = new ArrayList<>();
    for (RecallFindings.Conversion one : all.getFirst().conversions()) {
      String p = one.pattern();
      rows.add(
          List.of(
              p, percent(f -> f.conversion(p).before()), percent(f -> f.conversion(p).after())));
    }
    return new Table(
        "Conversion of a model with full attention",
        "Trained with full attention on rows of %d tokens; positions tiled to %d, the pattern changed, then %d more steps at %s."
            .formatted(plan.length() / 2, plan.length(), plan.convertSteps(), plan.convertRate()),
        List.of("converted to", "recall % before", "recall % after"),
        rows);
  }

  private Table clock() {
    List<List<String>> rows = new ArrayList<>();
    for (AttentionTimes.Time t : times) {
      rows.add(
          List.of(
              t.pattern(),
              String.valueOf(t.length()),
              String.format(Locale.ROOT, "%.3f", t.pairs()),
              String.format(Locale.ROOT, "%.3f", t.full() * 1e3),
              String.format(Locale.ROOT, "%.3f", t.seconds() * 1e3),
              String.format(Locale.ROOT, "%.3f", t.seconds() / t.full()),
              String.format(Locale.ROOT, "%.3f", t.predicted()),
              String.format(Locale.ROOT, "%.3f", t.measured())));
    }
    return new Table(
        "Attention on the clock",
        "Forward and backward of one layer on backend %s, median of turns with full attention. The last two columns are of a model with one layer in %d full: cost by pairs, and by seconds."
            .formatted(backend.name(), AttentionTimes.SHARE),
        List.of(
            "pattern",
            "tokens",
            "pairs ratio",
            "full, ms",
            "pattern, ms",
            "time ratio",
            "mixed by pairs",
            "mixed by seconds"),
        rows);
  }

  private Table clockClaim() {
    return Claim.table(
        "Seconds against pairs", "", List.of(backend.name()), List.of(clockChecked()));
  }

  private Claim clockChecked() {
    return Claim.over(
        List.of(times),
        "measured attention time of a mixed model follows its pairs within 25 %",
        "on a GPU, at 4096 tokens or more",
        all -> {
          double most = 0;
          for (AttentionTimes.Time t : all) {
            most = Math.max(most, Math.abs(t.measured() / t.predicted() - 1));
          }
          return new Verdict(
              most <= AS_COUNTED,
              String.format(Locale.ROOT, "largest difference %.1f %%", 100 * most));
        });
  }

  // ---- files ----

  private String settings() {
    return ("GPT-2-like decoders with learned positions, %d layers, %d features, %d heads, %d in"
            + " the MLPs; rows of %d tokens, %d a step, from %d different ones; %d steps at %s"
            + " (AdamW, linear decay to a tenth); blocks and windows of %d; %d rows scored."
            + " Backend %s.")
        .formatted(
            plan.layers(),
            plan.dim(),
            plan.heads(),
            plan.inner(),
            plan.length(),
            plan.rows(),
            plan.trainRows(),
            plan.steps(),
            plan.rate(),
            plan.block(),
            plan.testRows(),
            backend.name());
  }

  private String title() {
    return "MASFormer at small scale: " + plan.title();
  }

  private String markdown() {
    StringBuilder text = new StringBuilder("# " + title() + "\n\n" + settings() + "\n");
    tables().forEach(table -> text.append(table.markdown()));
    return text.toString();
  }

  private ObjectNode json() {
    ObjectNode json = JSON.createObjectNode();
    json.put("plan", plan.toString()).put("backend", backend.name());
    ArrayNode seeds = json.putArray("seeds");
    for (RecallFindings f : all) {
      ObjectNode one = seeds.addObject().put("seed", f.name());
      ArrayNode rows = one.putArray("rows");
      for (RecallFindings.Row row : f.rows()) {
        rows.addObject()
            .put("pattern", row.pattern())
            .put("layers", row.letters())
            .put("pairs", row.pairs())
            .put("recall", row.recall())
            .put("local_perplexity", row.perplexity())
            .put("seconds", row.seconds());
      }
      ArrayNode conversions = one.putArray("conversions");
      for (RecallFindings.Conversion c : f.conversions()) {
        conversions
            .addObject()
            .put("pattern", c.pattern())
            .put("before", c.before())
            .put("after", c.after());
      }
    }
    ArrayNode clock = json.putArray("clock");
    for (AttentionTimes.Time t : times) {
      clock
          .addObject()
          .put("pattern", t.pattern())
          .put("tokens", t.length())
          .put("pairs", t.pairs())
          .put("full_seconds", t.full())
          .put("seconds", t.seconds());
    }
    ArrayNode held = json.putArray("claims");
    Claim.addTo(held, claims);
    if (!times.isEmpty()) {
      Claim.addTo(held, List.of(clockChecked()));
    }
    return json;
  }

  private Report page(Path curves) {
    Report report = Report.title(title()).paragraph(settings());
    for (Table table : tables()) {
      table.addTo(report);
      if (table.title().startsWith("Recall")) {
        report.chart(bars()).chart(costs()).chart(losses(curves));
      }
    }
    return report;
  }

  private BarChart bars() {
    RecallFindings mean = columns.getFirst();
    double[] recall = mean.rows().stream().mapToDouble(row -> 100 * row.recall()).toArray();
    return new BarChart("Recall by pattern", "% of values ranked first", patterns())
        .series("recall", recall);
  }

  // Cost against quality: each pattern a point of its own.
  private LineChart costs() {
    LineChart chart =
        new LineChart("Recall against cost", "scored pairs, 1 = full attention", "recall, %");
    for (RecallFindings.Row row : columns.getFirst().rows()) {
      double recall = 100 * row.recall();
      chart.series(
          row.pattern(), new double[] {row.pairs(), row.pairs()}, new double[] {recall, recall});
    }
    return chart;
  }

  private static LineChart losses(Path folder) {
    LineChart chart =
        new LineChart("Training loss, first seed", "step", "nats: all tokens + values");
    for (String name :
        List.of(
            RecallFindings.FULL,
            RecallStudy.mixed(2, Placement.BOTTOM, RecallStudy.BLOCK),
            RecallStudy.mixed(1, Placement.BOTTOM, RecallStudy.BLOCK),
            RecallStudy.mixed(2, Placement.TOP, RecallStudy.BLOCK),
            RecallStudy.BLOCK)) {
      Curve curve = RecallStudy.curve(folder, name);
      chart.series(name, curve.steps(), curve.values());
    }
    return chart;
  }
}
