package io.heddle.cli;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.heddle.checkpoint.Checkpoint;
import io.heddle.checkpoint.merge.Alignment;
import io.heddle.checkpoint.merge.Comparison;
import io.heddle.checkpoint.merge.Comparison.Vectors;
import io.heddle.checkpoint.merge.MergeOptions;
import io.heddle.report.HeatMap;
import io.heddle.report.Report;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.function.IntToDoubleFunction;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code heddle compare}: how fine-tuned models differ from their base and from each other. */
@Command(
    name = "compare",
    description = {
      "Lengths of the differences of models to a base, distances and cosines between them: each model"
          + " one vector over all its tensors, in double precision."
    })
final class CompareCommand implements Callable<Integer> {
  @Spec private CommandSpec spec = CommandSpec.create();

  @Parameters(
      arity = "2..*",
      paramLabel = "BASE MODEL",
      description = "The base, then models made from it: files or model folders.")
  private List<Path> models = new ArrayList<>();

  @Option(names = "--json", description = "Print one JSON object.")
  private boolean json;

  @Option(names = "--out", description = "Folder for report.html, cosines.png and compare.json.")
  private @Nullable Path out;

  @Option(
      names = "--max-memory",
      defaultValue = "2g",
      converter = ByteCount.class,
      description = "Most memory, whatever the models' size (default: 2g).")
  private long maxMemory;

  @Option(
      names = "--missing",
      defaultValue = "error",
      description = "When a model lacks a tensor: error (default), base.")
  private Alignment.Missing missing = Alignment.Missing.ERROR;

  @Option(
      names = "--extra",
      defaultValue = "error",
      description = "When a model has a tensor of its own: error (default), drop.")
  private Alignment.Extra extra = Alignment.Extra.ERROR;

  CompareCommand() {}

  @Override
  public Integer call() throws IOException {
    if (models.size() < 2) {
      throw new ParameterException(spec.commandLine(), "compare needs a base and a model");
    }
    List<Checkpoint> open = new ArrayList<>();
    Comparison comparison;
    try {
      for (Path model : models) {
        open.add(Checkpoint.open(model));
      }
      comparison =
          Comparison.of(
              open.getFirst(),
              open.subList(1, open.size()),
              new Alignment(missing, extra, Alignment.Tied.ERROR, Alignment.Vocabulary.ERROR),
              MergeOptions.DEFAULT.maxMemory(maxMemory));
    } finally {
      open.forEach(Checkpoint::close);
    }
    PrintWriter print = spec.commandLine().getOut();
    print.print(json ? tree(comparison) + "\n" : text(comparison));
    if (out != null) {
      write(comparison, out);
      print.println("wrote " + out.resolve("report.html"));
    }
    print.flush();
    return 0;
  }

  private static String text(Comparison of) {
    Vectors total = of.total();
    StringBuilder text = new StringBuilder();
    text.append(
        String.format(
            Locale.ROOT,
            "base %s: %d elements, length %.6g%n",
            of.base(),
            total.elements(),
            total.baseNorm()));
    int width = of.sources().stream().mapToInt(String::length).max().orElse(1);
    for (int s = 0; s < of.sources().size(); s++) {
      text.append(
          String.format(
              Locale.ROOT,
              "%-" + width + "s  length %.6g (%.3g of the base), %.2f %% of elements unchanged%n",
              of.sources().get(s),
              total.norm(s),
              total.norm(s) / total.baseNorm(),
              100 * total.unchanged(s)));
    }
    if (of.sources().size() > 1) {
      matrix(text.append("cosines\n"), of.sources(), width, total::cosine);
      matrix(text.append("distances\n"), of.sources(), width, total::distance);
      text.append(
          String.format(
              Locale.ROOT, "signs conflict in %.2f %% of elements%n", 100 * total.signConflicts()));
    }
    return text.toString();
  }

  private interface Pair {
    double of(int a, int b);
  }

  private static void matrix(StringBuilder text, List<String> names, int width, Pair pair) {
    for (int a = 0; a < names.size(); a++) {
      text.append(String.format(Locale.ROOT, "  %-" + width + "s", names.get(a)));
      for (int b = 0; b < names.size(); b++) {
        text.append(String.format(Locale.ROOT, " %10.5g", pair.of(a, b)));
      }
      text.append('\n');
    }
  }

  private static ObjectNode tree(Comparison of) {
    ObjectNode tree = new ObjectMapper().createObjectNode();
    tree.put("base", of.base());
    ArrayNode names = tree.putArray("sources");
    of.sources().forEach(names::add);
    fill(tree.putObject("total"), of.total(), of.sources().size());
    ObjectNode layers = tree.putObject("layers");
    of.layers()
        .forEach(
            (layer, v) ->
                fill(
                    layers.putObject(layer < 0 ? "none" : Integer.toString(layer)),
                    v,
                    of.sources().size()));
    ObjectNode tensors = tree.putObject("tensors");
    of.tensors().forEach((name, v) -> fill(tensors.putObject(name), v, of.sources().size()));
    return tree;
  }

  private static void fill(ObjectNode to, Vectors of, int n) {
    to.put("elements", of.elements());
    to.put("baseLength", of.baseNorm());
    numbers(to.putArray("lengths"), n, of::norm);
    numbers(to.putArray("unchanged"), n, of::unchanged);
    ArrayNode cosines = to.putArray("cosines");
    ArrayNode distances = to.putArray("distances");
    for (int a = 0; a < n; a++) {
      int row = a;
      numbers(cosines.addArray(), n, b -> of.cosine(row, b));
      numbers(distances.addArray(), n, b -> of.distance(row, b));
    }
    to.put("signConflicts", of.signConflicts());
    ArrayNode histograms = to.putArray("histograms");
    for (int a = 0; a < n; a++) {
      ArrayNode one = histograms.addArray();
      for (long count : of.histogram(a)) {
        one.add(count);
      }
    }
  }

  // JSON has no NaN: a cosine with nothing is null.
  private static void numbers(ArrayNode to, int n, IntToDoubleFunction value) {
    for (int i = 0; i < n; i++) {
      double x = value.applyAsDouble(i);
      if (Double.isFinite(x)) {
        to.add(x);
      } else {
        to.addNull();
      }
    }
  }

  private static void write(Comparison of, Path out) throws IOException {
    Files.createDirectories(out);
    int n = of.sources().size();
    double[][] cosines = new double[n][n];
    List<List<Object>> rows = new ArrayList<>();
    for (int a = 0; a < n; a++) {
      for (int b = 0; b < n; b++) {
        cosines[a][b] = of.total().cosine(a, b);
      }
      rows.add(
          List.of(
              of.sources().get(a),
              of.total().norm(a),
              of.total().norm(a) / of.total().baseNorm(),
              of.total().unchanged(a)));
    }
    HeatMap map = new HeatMap(of.sources(), of.sources(), cosines, 1);
    map.writePng(out.resolve("cosines.png"));
    Files.writeString(out.resolve("compare.json"), tree(of) + "\n");
    Report report =
        Report.title("Differences to " + of.base())
            .paragraph(
                "Each model's difference to the base is one vector over "
                    + of.total().elements()
                    + " elements; sums in double precision.")
            .table(List.of("model", "length", "of the base's", "unchanged elements"), rows)
            .section("Cosines")
            .svg("cosines between the differences", map.svg())
            .section("By layer");
    List<String> header = new ArrayList<>(List.of("layer"));
    for (String source : of.sources()) {
      header.add("length " + source);
    }
    for (int a = 0; a < n; a++) {
      for (int b = a + 1; b < n; b++) {
        header.add("cos " + of.sources().get(a) + ", " + of.sources().get(b));
      }
    }
    List<List<Object>> layers = new ArrayList<>();
    of.layers()
        .forEach(
            (layer, v) -> {
              List<Object> row = new ArrayList<>();
              row.add(layer < 0 ? "none" : Integer.toString(layer));
              for (int a = 0; a < n; a++) {
                row.add(v.norm(a));
              }
              for (int a = 0; a < n; a++) {
                for (int b = a + 1; b < n; b++) {
                  row.add(v.cosine(a, b));
                }
              }
              layers.add(row);
            });
    report.table(header, layers).write(out.resolve("report.html"));
  }
}
