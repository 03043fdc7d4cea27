package io.heddle.methods.toolkit;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.heddle.backend.Backend;
import io.heddle.methods.study.Claim;
import io.heddle.methods.study.Table;
import io.heddle.report.Report;
import io.heddle.train.RunDirectory;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;

/** The results of all experiments: {@code results.md}, {@code results.json}, a page. */
final class ToolkitReport {
  private static final ObjectMapper JSON =
      new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT);
  private static final String TITLE = "The text toolkit's experiments";

  private ToolkitReport() {}

  static void write(
      Path root,
      Backend backend,
      boolean quick,
      long seed,
      List<Experiment> experiments,
      Map<String, Outcome> found)
      throws IOException {
    String settings =
        "%s form, seed %d, backend %s. Each experiment makes its own data."
            .formatted(quick ? "Quick" : "Full", seed, backend.name());
    Table claims = claims(experiments, found);
    StringBuilder text = new StringBuilder("# " + TITLE + "\n\n" + settings + "\n");
    text.append(claims.markdown());
    Report page = Report.title(TITLE).paragraph(settings);
    claims.addTo(page);
    ObjectNode json = JSON.createObjectNode().put("quick", quick).put("seed", seed);
    ArrayNode all = json.put("backend", backend.name()).putArray("experiments");
    for (Experiment experiment : experiments) {
      Outcome outcome = of(experiment, found);
      for (Table table : outcome.tables()) {
        text.append(table.markdown());
        table.addTo(page);
      }
      outcome.plots().forEach(plot -> page.chart(plot.chart()));
      ObjectNode one = all.addObject().put("name", experiment.name());
      one.put("title", experiment.title())
          .put("seconds", outcome.seconds())
          .put("cpu_seconds", outcome.cpuSeconds());
      Claim.addTo(one.putArray("claims"), outcome.claims());
      one.set("tables", JSON.valueToTree(outcome.tables()));
    }
    RunDirectory directory = new RunDirectory(root);
    directory.write("results.md", text.toString());
    directory.write("results.json", JSON.writeValueAsString(json) + "\n");
    page.write(root.resolve("report.html"));
  }

  private static Outcome of(Experiment experiment, Map<String, Outcome> found) {
    return Objects.requireNonNull(found.get(experiment.name()), experiment.name());
  }

  private static Table claims(List<Experiment> experiments, Map<String, Outcome> found) {
    List<List<String>> rows = new ArrayList<>();
    for (Experiment experiment : experiments) {
      Outcome outcome = of(experiment, found);
      String time = String.format(Locale.ROOT, "%.0f s", outcome.cpuSeconds());
      for (Claim claim : outcome.claims()) {
        rows.add(
            List.of(
                experiment.name(),
                claim.text(),
                claim.held().getFirst() ? "held" : "did not hold",
                claim.evidence().getFirst(),
                time));
      }
    }
    return new Table(
        "What must be seen",
        "Processor time is that of the whole experiment, all threads together.",
        List.of("experiment", "claim", "verdict", "found", "processor time"),
        rows);
  }
}
