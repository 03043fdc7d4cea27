package io.heddle.methods.toolkit;

import io.heddle.methods.study.Claim;
import io.heddle.methods.study.Table;
import io.heddle.report.BarChart;
import io.heddle.report.Chart;
import io.heddle.report.LineChart;
import java.util.Arrays;
import java.util.List;

/**
 * What an experiment found; kept as JSON, so that it is not run again.
 *
 * @param claims held against the numbers, one column each
 * @param tables the numbers
 * @param plots the same as pictures
 * @param seconds on the clock
 * @param cpuSeconds of all threads
 */
public record Outcome(
    List<Claim> claims, List<Table> tables, List<Plot> plots, double seconds, double cpuSeconds) {

  /** What was found, not yet timed. */
  static Outcome of(List<Claim> claims, List<Table> tables, List<Plot> plots) {
    return new Outcome(claims, tables, plots, 0, 0);
  }

  Outcome timed(double clock, double cpu) {
    return new Outcome(claims, tables, plots, clock, cpu);
  }

  /** A claim that must hold always. */
  static Claim claim(String text, boolean held, String evidence) {
    return new Claim(text, "always", List.of(held), List.of(evidence));
  }

  /** Whether all claims held. */
  public boolean held() {
    return claims.stream().allMatch(c -> c.held().getFirst());
  }

  /**
   * A picture's numbers.
   *
   * @param title what it shows
   * @param horizontal label of the horizontal axis; of bars empty
   * @param vertical label of the vertical axis, with its unit
   * @param labels of bars; none for lines
   * @param series lines, or bars of each label
   */
  public record Plot(
      String title, String horizontal, String vertical, List<String> labels, List<Series> series) {
    /** Lines. */
    static Plot lines(String title, String horizontal, String vertical, List<Series> series) {
      return new Plot(title, horizontal, vertical, List.of(), series);
    }

    /** One bar for each label. */
    static Plot bars(String title, String vertical, List<String> labels, List<Double> values) {
      return new Plot(
          title, "", vertical, labels, List.of(new Series(vertical, List.of(), values)));
    }

    /** As the report draws it. */
    Chart chart() {
      if (!labels.isEmpty()) {
        BarChart bars = new BarChart(title, vertical, labels);
        series.forEach(s -> bars.series(s.name, array(s.y)));
        return bars;
      }
      LineChart lines = new LineChart(title, horizontal, vertical);
      series.forEach(s -> lines.series(s.name, array(s.x), array(s.y)));
      return lines;
    }
  }

  /**
   * A line or a kind of bars.
   *
   * @param name in the legend
   * @param x positions; none of bars
   * @param y values
   */
  public record Series(String name, List<Double> x, List<Double> y) {
    static Series of(String name, double[] x, double[] y) {
      return new Series(name, Arrays.stream(x).boxed().toList(), Arrays.stream(y).boxed().toList());
    }
  }

  private static double[] array(List<Double> values) {
    return values.stream().mapToDouble(Double::doubleValue).toArray();
  }
}
