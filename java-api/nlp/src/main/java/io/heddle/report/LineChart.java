package io.heddle.report;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.style.markers.SeriesMarkers;

/** Lines over a common horizontal axis, e.g. train and validation loss over steps. */
public final class LineChart implements Chart {
  // More points than pixels only make the page heavy.
  private static final int BUCKETS = 400;

  private final String title;
  private final String horizontal;
  private final String vertical;
  private final List<Series> series = new ArrayList<>();
  private boolean logarithmic;

  private static final class Series {
    final String name;
    final double[] x;
    final double[] y;

    Series(String name, double[] x, double[] y) {
      this.name = name;
      this.x = x;
      this.y = y;
    }
  }

  /**
   * An empty chart.
   *
   * @param title what it shows
   * @param horizontal label of the horizontal axis, e.g. {@code step}
   * @param vertical label of the vertical axis with its unit, e.g. {@code tokens per second}
   */
  public LineChart(String title, String horizontal, String vertical) {
    this.title = title;
    this.horizontal = horizontal;
    this.vertical = vertical;
  }

  /**
   * Adds a line. Points that are not finite leave a gap; a line without any finite point is left
   * out.
   *
   * @param name its name in the legend; unique
   * @param x ascending positions
   * @param y values, as many
   */
  public LineChart series(String name, double[] x, double[] y) {
    if (x.length != y.length) {
      throw new IllegalArgumentException(
          "series '" + name + "' has " + x.length + " positions and " + y.length + " values");
    }
    if (names().contains(name)) {
      throw new IllegalArgumentException("the chart has two series named '" + name + "'");
    }
    double[] drawable = y.clone();
    for (int i = 0; i < y.length; i++) {
      if (!Double.isFinite(x[i]) || !Double.isFinite(y[i])) {
        drawable[i] = Double.NaN;
      }
    }
    if (Arrays.stream(drawable).anyMatch(Double::isFinite)) {
      series.add(thin(new Series(name, x.clone(), drawable)));
    }
    return this;
  }

  /** Makes the vertical axis logarithmic; ignored when a value is not positive. */
  public LineChart logarithmic() {
    logarithmic = true;
    return this;
  }

  /** Keeps the lowest and the highest point of each bucket, so that no spike is lost. */
  private static Series thin(Series all) {
    int n = all.y.length;
    if (n <= 4 * BUCKETS) {
      return all;
    }
    double[] x = new double[2 * BUCKETS];
    double[] y = new double[2 * BUCKETS];
    for (int b = 0; b < BUCKETS; b++) {
      int from = (int) ((long) b * n / BUCKETS);
      int to = (int) ((long) (b + 1) * n / BUCKETS);
      int low = from;
      int high = from;
      for (int i = from + 1; i < to; i++) {
        // A gap at the start of a bucket must not hide the values after it.
        low = all.y[i] < all.y[low] || Double.isNaN(all.y[low]) ? i : low;
        high = all.y[i] > all.y[high] || Double.isNaN(all.y[high]) ? i : high;
      }
      int first = Math.min(low, high);
      int second = Math.max(low, high);
      x[2 * b] = all.x[first];
      y[2 * b] = all.y[first];
      x[2 * b + 1] = all.x[second];
      y[2 * b + 1] = all.y[second];
    }
    return new Series(all.name, x, y);
  }

  @Override
  public String title() {
    return title;
  }

  @Override
  public String horizontal() {
    return horizontal;
  }

  @Override
  public String vertical() {
    return vertical;
  }

  @Override
  public List<String> names() {
    return series.stream().map(s -> s.name).toList();
  }

  @Override
  public String svg(String id) {
    XYChart chart = new XYChart(Drawing.WIDTH, Drawing.HEIGHT);
    Drawing.style(chart.getStyler());
    boolean decades =
        logarithmic
            && series.stream().flatMapToDouble(s -> Arrays.stream(s.y)).noneMatch(v -> v <= 0);
    double scale = decades ? 1 : scale();
    chart.getStyler().setxAxisTickLabelsFormattingFunction(Markup::tick);
    chart.getStyler().setYAxisLogarithmic(decades);
    // With a function for its labels, XChart would space the ticks of a logarithmic axis evenly.
    if (!decades) {
      chart.getStyler().setyAxisTickLabelsFormattingFunction(v -> Markup.tick(v / scale));
    }
    for (int i = 0; i < series.size(); i++) {
      Series line = series.get(i);
      double[] scaled = Arrays.stream(line.y).map(v -> v * scale).toArray();
      var drawn = chart.addSeries(line.name, line.x, scaled);
      drawn.setLineColor(Drawing.series(i));
      drawn.setMarkerColor(Drawing.series(i));
      drawn.setLineStyle(Drawing.LINE);
      // A line through few points, such as one evaluation per epoch, shows them.
      drawn.setMarker(line.y.length <= 12 ? SeriesMarkers.CIRCLE : SeriesMarkers.NONE);
    }
    return series.isEmpty() ? "" : Drawing.svg(chart, id);
  }

  // XChart's ticks crowd when all values are tiny, as learning rates are; it gets them enlarged.
  private double scale() {
    double highest =
        series.stream()
            .flatMapToDouble(s -> Arrays.stream(s.y))
            .filter(Double::isFinite)
            .map(Math::abs)
            .max()
            .orElse(1);
    return highest == 0 || highest >= 1 ? 1 : Math.pow(10, Math.ceil(-Math.log10(highest)));
  }
}
