package io.heddle.methods.longrange;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.heddle.backend.Backend;
import io.heddle.methods.lm.LmData;
import io.heddle.methods.longrange.TextFindings.Losses;
import io.heddle.methods.longrange.TextFindings.Row;
import io.heddle.methods.study.Claim;
import io.heddle.methods.study.Claim.Verdict;
import io.heddle.methods.study.Table;
import io.heddle.report.BarChart;
import io.heddle.report.LineChart;
import io.heddle.report.Report;
import io.heddle.train.RunDirectory;
import io.heddle.train.RunDirectory.Curve;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Function;
import java.util.function.ToDoubleFunction;

/** The results of the comparison on text: {@code results.md}, {@code results.json}, a page. */
final class TextReport {
  private static final ObjectMapper JSON =
      new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT);
  private static final double ALIKE = 0.02;
  private static final double CUT = 0.6;
  private static final double AS_COUNTED = 0.2;
  private static final double CLEARLY = 2; // standard errors
  private static final String ALWAYS = "at full size";

  private final TextPlan plan;
  private final Backend backend;
  private final LmData data;
  private final List<TextFindings> all;
  private final List<Claim> claims;
  private final Map<String, Function<Row, Losses>> kinds = new LinkedHashMap<>();

  private TextReport(TextPlan plan, Backend backend, LmData data, List<TextFindings> all) {
    this.plan = plan;
    this.backend = backend;
    this.data = data;
    this.all = all;
    this.claims = claims(plan, all);
    kinds.put("all", Row::all);
    kinds.put("near", Row::near);
    kinds.put("far", Row::far);
    kinds.put("outside", Row::outside);
    kinds.put("novel", Row::novel);
    if (plan.quoted() > 0) {
      kinds.put("quoted", Row::quoted);
    }
  }

  static void write(Path root, TextPlan plan, Backend backend, LmData data, List<TextFindings> all)
      throws IOException {
    TextReport report = new TextReport(plan, backend, data, all);
    RunDirectory directory = new RunDirectory(root);
    directory.write("results.md", report.markdown());
    directory.write("results.json", JSON.writeValueAsString(report.json()) + "\n");
    report.page(root).write(root.resolve("report.html"));
  }

  private static List<Claim> claims(TextPlan plan, List<TextFindings> all) {
    List<Claim> claims = new ArrayList<>();
    claims.add(
        Claim.over(
            all,
            "the mixed model's loss is within 2 % of full attention's",
            ALWAYS,
            f -> {
              double full = f.row(TextFindings.FULL).all().mean();
              double mixed = f.row(TextFindings.MIXED).all().mean();
              return new Verdict(
                  mixed <= (1 + ALIKE) * full,
                  String.format(Locale.ROOT, "%.4f against %.4f", mixed, full));
            }));
    claims.add(clearly("tokens whose evidence a sparse layer does not see", all, Row::far));
    claims.add(clearly("those of them whose pair is not in the training text", all, Row::novel));
    if (plan.quoted() > 0) {
      claims.add(clearly("quotations that no sparse layer leads to", all, Row::quoted));
    }
    claims.add(
        Claim.over(
            all,
            "60 % of the attention cost is cut, by count",
            ALWAYS,
            f -> {
              double cut = 1 - f.row(TextFindings.MIXED).pairs();
              return new Verdict(cut >= CUT, String.format(Locale.ROOT, "%.1f %%", 100 * cut));
            }));
    claims.add(
        Claim.over(
            all,
            "the mixed model's step takes what its FLOPs say, within 20 %",
            "at 4096 tokens or more",
            f -> {
              Row mixed = f.row(TextFindings.MIXED);
              double measured = mixed.step() / f.row(TextFindings.FULL).step();
              return new Verdict(
                  Math.abs(measured / mixed.predicted() - 1) <= AS_COUNTED,
                  String.format(
                      Locale.ROOT,
                      "%.3f of full attention's step measured, %.3f predicted",
                      measured,
                      mixed.predicted()));
            }));
    return claims;
  }

  private static Claim clearly(String tokens, List<TextFindings> all, Function<Row, Losses> kind) {
    return Claim.over(
        all,
        "the mixed model is clearly better than the sparse one on " + tokens,
        ALWAYS,
        f -> {
          Losses mixed = kind.apply(f.row(TextFindings.MIXED));
          Losses sparse = kind.apply(f.row(TextFindings.SPARSE));
          double[] above = sparse.above(mixed);
          return new Verdict(
              above[0] > CLEARLY * above[1],
              String.format(
                  Locale.ROOT,
                  "%.4f nats better, standard error %.4f, %.0f tokens",
                  above[0],
                  above[1],
                  mixed.count()));
        });
  }

  // ---- tables ----

  private String over(String pattern, ToDoubleFunction<Row> value, int places) {
    return Table.spread(
        all.stream().map(f -> value.applyAsDouble(f.row(pattern))).toList(), places);
  }

  private List<Table> tables() {
    return List.of(
        losses(),
        costs(),
        Claim.table("What must hold", "", all.stream().map(TextFindings::name).toList(), claims));
  }

  private Table losses() {
    List<List<String>> rows = new ArrayList<>();
    for (Row row : all.getFirst().rows()) {
      List<String> cells = new ArrayList<>(List.of(row.pattern(), row.letters()));
      kinds.values().forEach(kind -> cells.add(over(row.pattern(), r -> kind.apply(r).mean(), 4)));
      rows.add(cells);
    }
    List<String> counts = new ArrayList<>(List.of("tokens", ""));
    Row first = all.getFirst().rows().getFirst();
    kinds.values().forEach(kind -> counts.add("%.0f".formatted(kind.apply(first).count())));
    rows.add(counts);
    List<String> header = new ArrayList<>(List.of("model", "layers"));
    header.addAll(kinds.keySet());
    return new Table(
        "Held-out loss",
        "Nats per token. A token's evidence is the last earlier place in its row where the token"
            + " before it was followed by it: near if a query of a sparse layer sees that place,"
            + " else far; outside if all sparse layers together do not reach it; novel: far, and"
            + " the pair is nowhere in the training text, so that only the row can tell."
            + (plan.quoted() > 0
                ? " Quoted: of the same windows with quotations put in, these."
                : ""),
        header,
        rows);
  }

  private Table costs() {
    List<List<String>> rows = new ArrayList<>();
    for (Row row : all.getFirst().rows()) {
      String p = row.pattern();
      rows.add(
          List.of(
              p,
              String.format(Locale.ROOT, "%.3f", row.pairs()),
              String.format(Locale.ROOT, "%.3f", row.predicted()),
              Table.spread(
                  all.stream().map(f -> f.row(p).step() / f.row(TextFindings.FULL).step()).toList(),
                  3),
              over(p, r -> 1e3 * r.step(), 1),
              over(p, r -> plan.rows() * (double) plan.length() / r.step(), 0)));
    }
    return new Table(
        "Cost",
        "Ratios to full attention everywhere; the step is the median one, forward, backward and"
            + " update.",
        List.of(
            "model",
            "pairs",
            "FLOPs of the model",
            "step measured",
            "step, ms",
            "tokens per second"),
        rows);
  }

  // ---- files ----

  private String settings() {
    return ("Llama-like decoders, %d layers, %d features, %d heads, %d tokens known, %s; rows of %d"
            + " tokens, %d a step, %d steps at %s (AdamW, cosine to a tenth, weight decay 0.1);"
            + " sparse layers %s, of the mixed model all but %d (%s). %d training tokens;"
            + " scored in windows of %d with at least %d tokens of context where the document"
            + " has them.%s Backend %s.")
        .formatted(
            plan.layers(),
            plan.dim(),
            plan.heads(),
            data.tokenizer().vocabularySize(),
            plan.dtype().name().toLowerCase(Locale.ROOT),
            plan.length(),
            plan.rows(),
            plan.steps(),
            plan.rate(),
            plan.sparse(),
            plan.full(),
            plan.placement().word(),
            data.train().length,
            plan.length(),
            plan.length() / 2,
            origin(),
            backend.name());
  }

  private String origin() {
    StringBuilder text = new StringBuilder();
    if (plan.start() > 0) {
      text.append(
          " Before, %d steps on %d rows of %d tokens, windows or blocks an eighth as long."
              .formatted(plan.start(), plan.startRows(), plan.startLength()));
    }
    if (plan.quoted() > 0) {
      text.append(
          String.format(
              Locale.ROOT,
              " Of each row %.0f %% are quotations: %d tokens that stood so far back in the row%s"
                  + " that all sparse layers together do not reach them; scored from the %dth on.",
              100 * plan.quoted(),
              Quotations.LENGTH,
              plan.start() > 0 ? " (anywhere in the shorter ones)" : "",
              Quotations.CUE + 1));
    }
    return text.toString();
  }

  private String markdown() {
    StringBuilder text = new StringBuilder("# MASFormer on text\n\n" + settings() + "\n");
    tables().forEach(table -> text.append(table.markdown()));
    return text.toString();
  }

  private ObjectNode json() {
    ObjectNode json = JSON.createObjectNode();
    json.put("plan", plan.toString()).put("backend", backend.name());
    ArrayNode seeds = json.putArray("seeds");
    for (TextFindings f : all) {
      ArrayNode rows = seeds.addObject().put("seed", f.name()).putArray("rows");
      for (Row row : f.rows()) {
        ObjectNode one =
            rows.addObject()
                .put("model", row.pattern())
                .put("layers", row.letters())
                .put("pairs", row.pairs())
                .put("flops", row.predicted())
                .put("step_seconds", row.step());
        kinds.forEach(
            (name, kind) ->
                one.putObject(name)
                    .put("loss", kind.apply(row).mean())
                    .put("tokens", kind.apply(row).count()));
      }
    }
    Claim.addTo(json.putArray("claims"), claims);
    return json;
  }

  private Report page(Path root) {
    Report report = Report.title("MASFormer on text").paragraph(settings());
    for (Table table : tables()) {
      table.addTo(report);
      if (table.title().startsWith("Held-out")) {
        report.chart(bars()).chart(curves(root.resolve("seed-" + seed())));
      }
    }
    return report;
  }

  private String seed() {
    return all.getFirst().name().replaceAll("\\D", "");
  }

  private BarChart bars() {
    BarChart chart = new BarChart("Held-out loss", "nats per token", List.copyOf(kinds.keySet()));
    for (Row row : all.getFirst().rows()) {
      chart.series(
          row.pattern(), kinds.values().stream().mapToDouble(k -> k.apply(row).mean()).toArray());
    }
    return chart;
  }

  private LineChart curves(Path folder) {
    LineChart chart = new LineChart("Training loss, first seed", "step", "nats per token");
    for (String name : plan.patterns().keySet()) {
      Curve curve = RecallStudy.curve(folder, name);
      chart.series(name, curve.steps(), curve.values());
    }
    return chart;
  }
}
