package io.heddle.report;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.knowm.xchart.CategoryChart;

/** Groups of bars from zero, e.g. the tokens per second of several runs. */
public final class BarChart implements Chart {
  private final String title;
  private final String vertical;
  private final List<String> labels;
  private final List<Series> series = new ArrayList<>();

  private record Series(String name, List<Double> values) {}

  /**
   * An empty chart.
   *
   * @param title what it shows
   * @param vertical label of the vertical axis with its unit
   * @param labels what stands below each group of bars; unique
   */
  public BarChart(String title, String vertical, List<String> labels) {
    this.title = title;
    this.vertical = vertical;
    this.labels = List.copyOf(labels);
  }

  /**
   * Adds one bar to each group. A value that is not finite has no bar.
   *
   * @param name its name in the legend; unique
   * @param values one for each label
   */
  public BarChart series(String name, double... values) {
    if (values.length != labels.size()) {
      throw new IllegalArgumentException(
          "series '" + name + "' has " + values.length + " values for " + labels.size() + " bars");
    }
    if (names().contains(name)) {
      throw new IllegalArgumentException("the chart has two series named '" + name + "'");
    }
    List<Double> drawable =
        Arrays.stream(values).mapToObj(v -> Double.isFinite(v) ? v : 0.0).toList();
    series.add(new Series(name, drawable));
    return this;
  }

  @Override
  public String title() {
    return title;
  }

  @Override
  public String horizontal() {
    return "";
  }

  @Override
  public String vertical() {
    return vertical;
  }

  @Override
  public List<String> names() {
    return series.stream().map(Series::name).toList();
  }

  @Override
  public String svg(String id) {
    if (series.isEmpty() || labels.isEmpty()) {
      return "";
    }
    CategoryChart chart = new CategoryChart(Drawing.WIDTH, Drawing.HEIGHT);
    Drawing.style(chart.getStyler());
    chart.getStyler().setAvailableSpaceFill(series.size() == 1 ? 0.55 : 0.7);
    chart.getStyler().setyAxisTickLabelsFormattingFunction(Markup::tick);
    chart.getStyler().setXAxisLabelRotation(crowded() ? 30 : 0);
    for (int i = 0; i < series.size(); i++) {
      var drawn = chart.addSeries(series.get(i).name, labels, series.get(i).values);
      drawn.setFillColor(Drawing.series(i));
      drawn.setLineColor(Drawing.series(i));
    }
    return Drawing.svg(chart, id);
  }

  // About 6.5 pixels a character at the size of the tick labels.
  private boolean crowded() {
    int longest = labels.stream().mapToInt(String::length).max().orElse(0);
    return longest * 6.5 + 12 > (double) Drawing.WIDTH / labels.size();
  }
}
