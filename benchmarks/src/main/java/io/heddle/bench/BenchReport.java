package io.heddle.bench;

import io.heddle.report.LineChart;
import io.heddle.report.Report;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.Predicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The rows of a run to read: a Markdown table, and a page with charts. */
final class BenchReport {
  private static final Pattern LENGTH = Pattern.compile("D(\\d+) S(\\d+) (.*)");
  private static final Pattern SPARSE = Pattern.compile("D(\\d+) S\\d+ sparse:(\\d+),(.*)");

  private BenchReport() {}

  static void write(Path folder, List<Row> rows, String command) throws IOException {
    Files.writeString(folder.resolve("table.md"), Row.table(rows));
    Report report =
        Report.title("Heddle beside its peers")
            .facts(Map.of("command", "heddle " + command))
            .paragraph(
                "Medians of runs taken in turns. The rate counts useful operations (4 D per pair of"
                    + " attention that is seen, 10 D backward) or bytes that must move; the ceiling is"
                    + " what this machine reached in registers, or copying, in the same run. A ratio"
                    + " above 1 says how many times faster Heddle is.");
    roofline(rows).forEach(report::chart);
    overLength(rows).forEach(report::chart);
    overSparsity(rows).forEach(report::chart);
    report.section("All rows").table(HEADER, rows.stream().map(BenchReport::cells).toList());
    report.write(folder.resolve("report.html"));
  }

  private static final List<String> HEADER =
      List.of("op", "dtype", "shape", "ms", "rate", "share of ceiling", "peer", "peer ms", "ratio");

  private static List<String> cells(Row r) {
    return List.of(
        r.op(),
        r.dtype(),
        r.shape(),
        "%.4g".formatted(r.oursMs()),
        r.rateText(),
        r.ceiling() == 0 ? "" : "%.0f %%".formatted(100 * r.share()),
        r.peer(),
        r.peer().isEmpty() ? "" : "%.4g".formatted(r.peerMs()),
        r.peer().isEmpty() ? "" : "%.2f".formatted(r.ratio()));
  }

  /** Rates beside the roofs that the run's own ceilings make, over operations per byte. */
  static List<LineChart> roofline(List<Row> rows) {
    double copying = highest(rows, r -> r.unit().equals("GB/s"));
    LineChart chart =
        new LineChart(
                "Roofline, " + rows.stream().mapToInt(Row::threads).max().orElse(1) + " threads",
                "useful operations per byte that must move, power of ten",
                "GFLOP/s")
            .logarithmic();
    boolean drawn = false;
    for (String type : List.of("f32", "bf16")) {
      double peak = highest(rows, r -> r.dtype().equals(type) && r.unit().equals("GFLOP/s"));
      SortedMap<Double, Double> points = new TreeMap<>();
      for (Row r : rows) {
        if (r.dtype().equals(type) && r.intensity() > 0 && r.ceiling() > 0) {
          double rate = r.unit().equals("GB/s") ? r.rate() * r.intensity() : r.rate();
          points.merge(Math.log10(r.intensity()), rate, Math::max);
        }
      }
      if (peak > 0 && copying > 0 && !points.isEmpty()) {
        double ridge = Math.log10(peak / copying);
        double left = Math.min(points.firstKey(), ridge - 1);
        double right = Math.max(points.lastKey(), ridge + 1);
        chart.series(
            type + " roof",
            new double[] {left, ridge, right},
            new double[] {copying * Math.pow(10, left), peak, peak});
        chart.series(type, keys(points), values(points));
        drawn = true;
      }
    }
    return drawn ? List.of(chart) : List.of();
  }

  // A row's ceiling is disturbed downwards alone, so the highest of a run is the machine's.
  private static double highest(List<Row> rows, Predicate<Row> which) {
    return rows.stream().filter(which).mapToDouble(Row::ceiling).max().orElse(0);
  }

  private static List<LineChart> overLength(List<Row> rows) {
    Map<String, Map<String, SortedMap<Double, Double>>> charts = new LinkedHashMap<>();
    for (Row r : rows) {
      Matcher m = LENGTH.matcher(r.shape());
      if (r.op().startsWith("attention") && m.find() && !m.group(3).startsWith("sparse")) {
        Map<String, SortedMap<Double, Double>> chart =
            charts.computeIfAbsent(
                "%s %s, D %s%s"
                    .formatted(
                        r.op(),
                        r.dtype(),
                        m.group(1),
                        m.group(3).startsWith("window") ? ", window" : ""),
                k -> new LinkedHashMap<>());
        double seq = Double.parseDouble(m.group(2));
        chart.computeIfAbsent(m.group(3), k -> new TreeMap<>()).put(seq, r.rate());
        if (!r.peer().isEmpty()) {
          double theirs = r.rate() * r.oursMs() / r.peerMs();
          chart
              .computeIfAbsent(m.group(3) + ", " + r.peer(), k -> new TreeMap<>())
              .put(seq, theirs);
        }
        chart.computeIfAbsent("ceiling", k -> new TreeMap<>()).put(seq, r.ceiling());
      }
    }
    return charts(charts, "tokens", "useful GFLOP/s");
  }

  private static List<LineChart> overSparsity(List<Row> rows) {
    Map<String, Map<String, SortedMap<Double, Double>>> charts = new LinkedHashMap<>();
    for (Row r : rows) {
      Matcher m = SPARSE.matcher(r.shape());
      if (m.find()) {
        charts
            .computeIfAbsent(
                r.op() + " " + r.dtype() + ", random blocks", k -> new LinkedHashMap<>())
            .computeIfAbsent("blocks of " + m.group(2), k -> new TreeMap<>())
            .put(100 * Double.parseDouble(m.group(3)), r.oursMs());
      }
    }
    return charts(charts, "% of blocks left out", "ms");
  }

  private static List<LineChart> charts(
      Map<String, Map<String, SortedMap<Double, Double>>> charts, String across, String up) {
    List<LineChart> drawn = new ArrayList<>();
    charts.forEach(
        (title, lines) -> {
          LineChart chart = new LineChart(title, across, up);
          lines.forEach((name, points) -> chart.series(name, keys(points), values(points)));
          if (lines.values().stream().anyMatch(points -> points.size() > 1)) {
            drawn.add(chart);
          }
        });
    return drawn;
  }

  private static double[] keys(SortedMap<Double, Double> points) {
    return points.keySet().stream().mapToDouble(d -> d).toArray();
  }

  private static double[] values(SortedMap<Double, Double> points) {
    return points.values().stream().mapToDouble(d -> d).toArray();
  }
}
