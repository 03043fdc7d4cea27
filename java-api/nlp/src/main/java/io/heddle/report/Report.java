package io.heddle.report;

import io.heddle.checkpoint.WholeFile;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * One HTML page that needs nothing but a browser: text, tables, charts and drawings in the order in
 * which they are added. It follows the reader's light or dark scheme and loads nothing. The same
 * calls give the same bytes.
 */
public final class Report {
  private final String title;
  private final StringBuilder body = new StringBuilder();
  private int charts;

  private Report(String title) {
    this.title = title;
  }

  /** An empty page with this title. */
  public static Report title(String title) {
    return new Report(title);
  }

  /** Starts a section. */
  public Report section(String heading) {
    body.append("<h2>").append(Markup.escape(heading)).append("</h2>\n");
    return this;
  }

  /** Adds a paragraph of plain text. */
  public Report paragraph(String text) {
    body.append("<p>").append(Markup.escape(text)).append("</p>\n");
    return this;
  }

  /** Adds names with their values, in the map's order. */
  public Report facts(Map<String, ?> facts) {
    body.append("<dl>\n");
    facts.forEach(
        (name, value) ->
            body.append("<dt>")
                .append(Markup.escape(name))
                .append("</dt><dd>")
                .append(cell(value))
                .append("</dd>\n"));
    body.append("</dl>\n");
    return this;
  }

  /**
   * Adds a table. A column that holds numbers alone stands to the right.
   *
   * @param header one name per column
   * @param rows cells, as many in each row as there are columns; null is an empty cell
   */
  public Report table(List<String> header, List<? extends List<? extends @Nullable Object>> rows) {
    for (List<? extends @Nullable Object> row : rows) {
      if (row.size() != header.size()) {
        throw new IllegalArgumentException(
            "a row has " + row.size() + " cells and the table " + header.size() + " columns");
      }
    }
    boolean[] numeric = new boolean[header.size()];
    for (int c = 0; c < numeric.length; c++) {
      int column = c;
      numeric[c] =
          rows.stream().map(row -> row.get(column)).allMatch(v -> v == null || v instanceof Number);
    }
    body.append("<div class=\"scroll\"><table>\n<thead>");
    row("th", header, numeric);
    body.append("</thead>\n<tbody>\n");
    rows.forEach(row -> row("td", row, numeric));
    body.append("</tbody></table></div>\n");
    return this;
  }

  private void row(String tag, List<? extends @Nullable Object> cells, boolean[] numeric) {
    body.append("<tr>");
    for (int c = 0; c < cells.size(); c++) {
      body.append('<').append(tag).append(numeric[c] ? " class=\"number\">" : ">");
      body.append(cell(cells.get(c))).append("</").append(tag).append('>');
    }
    body.append("</tr>\n");
  }

  private static String cell(@Nullable Object value) {
    return switch (value) {
      case null -> "";
      case Number n -> Markup.number(n.doubleValue());
      default -> Markup.escape(value.toString());
    };
  }

  /** Adds a chart with its title, legend and axis names. */
  public Report chart(Chart chart) {
    String svg;
    try {
      svg = chart.svg("chart" + charts++);
    } catch (Error | RuntimeException e) {
      // AWT measures text even without a screen, and fails in many ways where there is no font. A
      // chart that cannot be drawn must not take a run's report, or the run, with it.
      return paragraph(
          chart.title()
              + ": not drawn ("
              + e.getMessage()
              + "); drawing needs fontconfig and a font");
    }
    body.append("<figure>\n<figcaption><b>").append(Markup.escape(chart.title())).append("</b>");
    List<String> names = chart.names();
    for (int i = 0; names.size() > 1 && i < names.size(); i++) {
      body.append("<span class=\"key\"><i style=\"background:var(--series-")
          .append(i % Drawing.COLORS)
          .append(")\"></i>")
          .append(Markup.escape(names.get(i)))
          .append("</span>");
    }
    body.append("</figcaption>\n");
    if (svg.isEmpty()) {
      body.append("<div class=\"axis\">no data</div>\n</figure>\n");
      return this;
    }
    body.append("<div class=\"axis\">").append(Markup.escape(chart.vertical())).append("</div>\n");
    body.append(svg).append('\n');
    if (!chart.horizontal().isEmpty()) {
      body.append("<div class=\"axis end\">")
          .append(Markup.escape(chart.horizontal()))
          .append("</div>\n");
    }
    body.append("</figure>\n");
    return this;
  }

  /**
   * Adds a drawing.
   *
   * @param caption plain text below it; may be empty
   * @param svg an SVG element, put in as it is: never build it from foreign text unescaped
   */
  public Report svg(String caption, String svg) {
    body.append("<figure>\n").append(svg);
    if (!caption.isEmpty()) {
      body.append("<div class=\"axis\">").append(Markup.escape(caption)).append("</div>\n");
    }
    body.append("</figure>\n");
    return this;
  }

  /** The page. */
  public String html() {
    String safeTitle = Markup.escape(title);
    return "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
        + "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
        + "<meta name=\"color-scheme\" content=\"light dark\">\n<title>"
        + safeTitle
        + "</title>\n<style>\n"
        + styleSheet()
        + "</style>\n</head>\n<body>\n<main>\n<h1>"
        + safeTitle
        + "</h1>\n"
        + body
        + "</main>\n</body>\n</html>\n";
  }

  /**
   * Writes the page: first under a temporary name beside {@code file}, so that a reader sees the
   * old page or the new one, never half of it.
   */
  public void write(Path file) throws IOException {
    WholeFile.write(file, out -> out.write(html().getBytes(StandardCharsets.UTF_8)));
  }

  static String styleSheet() {
    try (InputStream in = Report.class.getResourceAsStream("report.css")) {
      if (in == null) {
        throw new IllegalStateException("report.css is missing from this build");
      }
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
