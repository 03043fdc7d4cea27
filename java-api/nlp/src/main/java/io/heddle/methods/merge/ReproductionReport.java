package io.heddle.methods.merge;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.heddle.methods.study.Claim;
import io.heddle.methods.study.Table;
import io.heddle.report.BarChart;
import io.heddle.report.HeatMap;
import io.heddle.report.LineChart;
import io.heddle.report.Report;
import io.heddle.train.RunDirectory;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.ToDoubleFunction;

/** The tables of a reproduction: {@code results.md}, {@code results.json}, {@code report.html}. */
final class ReproductionReport {
  private static final ObjectMapper JSON =
      new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT);

  private final StudyPlan plan;
  private final StudyData data;
  private final List<Findings> all;
  private final List<Claim> claims;

  private ReproductionReport(StudyPlan plan, StudyData data, List<Findings> all) {
    this.plan = plan;
    this.data = data;
    this.all = all;
    this.claims = Claims.of(all);
  }

  static void write(Path root, StudyPlan plan, StudyData data, List<Findings> all)
      throws IOException {
    ReproductionReport report = new ReproductionReport(plan, data, all);
    RunDirectory directory = new RunDirectory(root);
    directory.write("results.md", report.markdown());
    directory.write("results.json", JSON.writeValueAsString(report.json()) + "\n");
    report.page().write(root.resolve("report.html"));
  }

  // ---- numbers over seeds ----

  private String over(ToDoubleFunction<Findings> value, int places) {
    return Table.spread(all.stream().map(value::applyAsDouble).toList(), places);
  }

  private double mean(ToDoubleFunction<Findings> value) {
    return all.stream().mapToDouble(value).average().orElse(Double.NaN);
  }

  private List<String> sources() {
    return all.getFirst().sources();
  }

  private String measure() {
    return data.tokenizer() == null
        ? "nats per token above the true chain (0 is perfect)"
        : "nats per token";
  }

  // ---- tables: a header and rows of text each ----

  private List<Table> tables() {
    return List.of(
        models(), claimed(), searches(), weights(), leftOut(), alone(), cosines(), added());
  }

  private Table models() {
    List<String> header = new ArrayList<>(List.of("model"));
    header.addAll(sources());
    header.addAll(List.of("mean", "tokens trained", "tokens scored", "seconds"));
    List<List<String>> rows = new ArrayList<>();
    for (Findings.Row row : all.getFirst().rows()) {
      String name = row.model();
      List<String> cells = new ArrayList<>(List.of(name));
      for (int i = 0; i < sources().size(); i++) {
        int source = i;
        cells.add(over(f -> f.row(name).losses().get(source), 4));
      }
      cells.add(over(f -> f.row(name).mean(), 4));
      cells.add("%.0f".formatted(mean(f -> f.row(name).trained())));
      cells.add("%.0f".formatted(mean(f -> f.row(name).scored())));
      cells.add("%.1f".formatted(mean(f -> f.row(name).seconds())));
      rows.add(cells);
    }
    return new Table(
        "Test loss",
        "In "
            + measure()
            + ", mean and standard deviation over "
            + all.size()
            + " seeds. Tokens and seconds are those after the base, on the way to that row; a token"
            + " scored costs a third of a token trained on.",
        header,
        rows);
  }

  private Table claimed() {
    List<String> columns = all.stream().map(f -> "seed " + f.seed()).toList();
    return Claim.table("What the method claims", "", columns, claims);
  }

  private Table searches() {
    List<List<String>> rows = new ArrayList<>();
    for (String name : all.getFirst().searches().keySet()) {
      rows.add(
          List.of(
              name,
              over(f -> search(f, name).validation(), 4),
              over(f -> search(f, name).evaluations(), 0),
              "%.1f".formatted(mean(f -> search(f, name).seconds())),
              search(all.getFirst(), name).weights().toString()));
    }
    return new Table(
        "Searches",
        "Every candidate is formed in memory and scored on validation text; none is written."
            + " Seconds are of one thread of measurement, candidates that an earlier search had"
            + " scored included.",
        List.of("search", "validation loss", "candidates", "seconds", "weights, first seed"),
        rows);
  }

  private static Findings.Search search(Findings f, String name) {
    Findings.Search one = f.searches().get(name);
    if (one == null) {
      throw new IllegalArgumentException("there is no search '" + name + "'");
    }
    return one;
  }

  private Table weights() {
    List<List<String>> rows = new ArrayList<>();
    for (int i = 0; i < sources().size(); i++) {
      int source = i;
      rows.add(List.of(sources().get(i), over(f -> f.weights().get(source), 2)));
    }
    return new Table("Weights of DEM", "", List.of("source", "weight"), rows);
  }

  private Table leftOut() {
    return changes(
        "Leaving one source out",
        "Change of the test loss against DEM: the row is the source whose weight is 0, the column"
            + " is what is scored.",
        "without",
        (f, i, j) -> f.without().get(i).get(j) - f.row(Findings.DEM).losses().get(j));
  }

  private Table alone() {
    return changes(
        "One source at a time",
        "Change of the test loss against the base, with one source's weighted difference alone.",
        "only",
        (f, i, j) -> f.only().get(i).get(j) - f.row(Findings.BASE).losses().get(j));
  }

  private interface Cell {
    double of(Findings f, int row, int column);
  }

  private Table changes(String title, String note, String word, Cell cell) {
    List<String> header = new ArrayList<>(List.of(word));
    header.addAll(sources());
    List<List<String>> rows = new ArrayList<>();
    for (int i = 0; i < sources().size(); i++) {
      List<String> cells = new ArrayList<>(List.of(sources().get(i)));
      for (int j = 0; j < sources().size(); j++) {
        int row = i;
        int column = j;
        cells.add(over(f -> cell.of(f, row, column), 4));
      }
      rows.add(cells);
    }
    return new Table(title, note, header, rows);
  }

  private Table cosines() {
    Table table =
        changes(
            "Cosines between the sources' differences",
            "Each difference one vector over all parameters. Two fine-tunings of "
                + sources().getFirst()
                + " with other batches: "
                + over(Findings::again, 3)
                + ".",
            "cosine",
            (f, i, j) -> f.cosines().get(i).get(j));
    return table;
  }

  private Table added() {
    List<List<String>> rows = new ArrayList<>();
    List<String> names = new ArrayList<>(sources());
    names.add(all.getFirst().addition().source() + " (added)");
    for (int i = 0; i < names.size(); i++) {
      int at = i;
      rows.add(
          List.of(
              names.get(i),
              over(f -> f.addition().before().get(at), 4),
              over(f -> f.addition().after().get(at), 4)));
    }
    return new Table(
        "A source more",
        "One model was trained, on %.0f tokens; %.0f were scored to choose the weights; the other models stayed as they were."
            .formatted(mean(f -> f.addition().trained()), mean(f -> f.addition().scored())),
        List.of("test loss on", "before", "after"),
        rows);
  }

  // ---- files ----

  private String markdown() {
    StringBuilder text = new StringBuilder("# DEM at small scale: " + plan.title() + "\n\n");
    text.append(settings()).append("\n");
    tables().forEach(table -> text.append(table.markdown()));
    return text.toString();
  }

  private String settings() {
    return ("Llama-like decoders, %d layers, %d features, %d heads, %d tokens known; rows of %d"
            + " tokens, %d rows a step. Base: %d steps at %s, each source %d at %s (AdamW,"
            + " cosine to a tenth, weight decay 0.01). Searches see %d tokens of each source,"
            + " the tables %d.")
        .formatted(
            plan.layers(),
            plan.dim(),
            plan.heads(),
            data.vocabulary(),
            plan.length(),
            plan.rows(),
            plan.baseSteps(),
            plan.baseRate(),
            plan.tuneSteps(),
            plan.tuneRate(),
            plan.validationTokens(),
            plan.testTokens());
  }

  private ObjectNode json() {
    ObjectNode json = JSON.createObjectNode();
    json.put("plan", plan.toString()).put("measure", measure());
    ArrayNode names = json.putArray("sources");
    sources().forEach(names::add);
    ArrayNode seeds = json.putArray("seeds");
    for (Findings f : all) {
      ObjectNode one = seeds.addObject().put("seed", f.seed()).put("cosine_again", f.again());
      one.set("rows", JSON.valueToTree(f.rows().stream().map(ReproductionReport::row).toList()));
      one.set("weights", JSON.valueToTree(f.weights()));
      one.set("cosines", JSON.valueToTree(f.cosines()));
      one.set("without", JSON.valueToTree(f.without()));
      one.set("only", JSON.valueToTree(f.only()));
      ObjectNode searches = one.putObject("searches");
      f.searches()
          .forEach(
              (name, s) ->
                  searches
                      .putObject(name)
                      .put("validation", s.validation())
                      .put("evaluations", s.evaluations())
                      .put("seconds", s.seconds())
                      .set("weights", JSON.valueToTree(s.weights())));
      ObjectNode addition = one.putObject("addition").put("source", f.addition().source());
      addition.set("weights", JSON.valueToTree(f.addition().weights()));
      addition.set("before", JSON.valueToTree(f.addition().before()));
      addition.set("after", JSON.valueToTree(f.addition().after()));
      addition.put("trained", f.addition().trained()).put("scored", f.addition().scored());
    }
    Claim.addTo(json.putArray("claims"), claims);
    return json;
  }

  private static ObjectNode row(Findings.Row row) {
    ObjectNode one = JSON.createObjectNode().put("model", row.model());
    one.set("losses", JSON.valueToTree(row.losses()));
    return one.put("mean", row.mean())
        .put("trained", row.trained())
        .put("scored", row.scored())
        .put("seconds", row.seconds());
  }

  private Report page() {
    Report report = Report.title("DEM at small scale: " + plan.title()).paragraph(settings());
    for (Table table : tables()) {
      table.addTo(report);
      if (table.title().startsWith("Test loss")) {
        report.chart(bars()).chart(costs());
      } else if (table.title().startsWith("Cosines")) {
        report.svg("Mean over seeds.", heat().svg());
      }
    }
    return report;
  }

  private BarChart bars() {
    List<String> names = all.getFirst().rows().stream().map(Findings.Row::model).toList();
    double[] means = names.stream().mapToDouble(n -> mean(f -> f.row(n).mean())).toArray();
    return new BarChart("Mean test loss over the sources", measure(), names).series("mean", means);
  }

  // Cost against quality: each row a point of its own.
  private LineChart costs() {
    LineChart chart =
        new LineChart(
            "Loss against cost", "tokens trained, those scored counting a third", measure());
    for (String name :
        List.of(
            Findings.BASE,
            Findings.UNIFORM,
            Findings.DEM,
            Findings.MIX_SHORT,
            Findings.MIX_EQUAL,
            Findings.MIX_BUDGET,
            Findings.MIX_GRID)) {
      double cost = mean(f -> f.row(name).trained() + f.row(name).scored() / 3.0);
      double loss = mean(f -> f.row(name).mean());
      chart.series(name, new double[] {cost, cost}, new double[] {loss, loss});
    }
    return chart;
  }

  private HeatMap heat() {
    int n = sources().size();
    double[][] values = new double[n][n];
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < n; j++) {
        int row = i;
        int column = j;
        values[i][j] = mean(f -> f.cosines().get(row).get(column));
      }
    }
    return new HeatMap(sources(), sources(), values, 1);
  }
}
