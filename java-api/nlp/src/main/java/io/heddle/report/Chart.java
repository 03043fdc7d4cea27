package io.heddle.report;

import java.util.List;

/** A chart of a {@link Report}: {@link LineChart} or {@link BarChart}. */
public sealed interface Chart permits LineChart, BarChart {
  /** What the chart shows; stands above it. */
  String title();

  /** What lies along the horizontal axis; may be empty. */
  String horizontal();

  /** What lies along the vertical axis, with its unit. */
  String vertical();

  /** Names of the series in drawing order. */
  List<String> names();

  /**
   * The drawing as an inline SVG element in the page's colours, without title and legend.
   *
   * @param id a name that no other drawing of the page has
   */
  String svg(String id);
}
