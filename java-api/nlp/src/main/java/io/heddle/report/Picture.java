package io.heddle.report;

import io.heddle.checkpoint.WholeFile;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Formatter;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A chart as an SVG file of its own, with title, legend and axis names, for pages that are not
 * {@link Report}s: documentation, slides. In the report's light colours. The same calls give the
 * same bytes.
 */
public final class Picture {
  private static final int HEAD = 44; // above the drawing: title, name of the vertical axis
  private static final int LEGEND = 20; // where there is more than one series
  private static final int FOOT = 22;
  private static final int LEFT = 8;
  private static final double CHARACTER = 6.6; // pixels, of the legend's letters
  private static final Pattern COLOR = Pattern.compile("var\\(--([a-z0-9-]+)\\)");
  private static final Pattern DRAWING = Pattern.compile("(?s)<svg[^>]*>(.*)</svg>\\s*");

  private Picture() {}

  /** Writes a chart; the file appears whole or not at all. */
  public static void write(Path file, Chart chart) throws IOException {
    String svg = svg(chart);
    WholeFile.write(file, out -> out.write(svg.getBytes(StandardCharsets.UTF_8)));
  }

  /** The document. */
  static String svg(Chart chart) {
    Matcher drawing = DRAWING.matcher(chart.svg("chart"));
    int head = HEAD + (chart.names().size() > 1 ? LEGEND : 0);
    int height = head + Drawing.HEIGHT + (chart.horizontal().isEmpty() ? 0 : FOOT);
    Formatter out = new Formatter(Locale.ROOT);
    out.format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\""
            + " font-size=\"12\">\n<rect width=\"100%%\" height=\"100%%\" fill=\"var(--page)\"/>\n",
        Drawing.WIDTH, height);
    text(out, LEFT, 18, "start", "text", chart.title(), " font-weight=\"bold\" font-size=\"14\"");
    legend(out, chart.names());
    text(out, LEFT, head - 6, "start", "muted", chart.vertical(), "");
    if (drawing.matches()) {
      out.format("<g transform=\"translate(0 %d)\">", head);
      out.format("%s</g>\n", drawing.group(1));
    }
    text(out, Drawing.WIDTH - LEFT, height - 8, "end", "muted", chart.horizontal(), "");
    out.format("</svg>\n");
    return COLOR.matcher(out.toString()).replaceAll(m -> color(m.group(1)));
  }

  private static void legend(Formatter out, List<String> names) {
    double x = LEFT;
    for (int i = 0; names.size() > 1 && i < names.size(); i++) {
      out.format(
          "<rect x=\"%.0f\" y=\"28\" width=\"10\" height=\"10\" fill=\"var(--series-%d)\"/>\n",
          x, i % Drawing.COLORS);
      text(out, x + 15, 37, "start", "text", names.get(i), "");
      x += 35 + names.get(i).length() * CHARACTER;
    }
  }

  private static void text(
      Formatter out, double x, double y, String anchor, String color, String content, String more) {
    if (!content.isEmpty()) {
      out.format(
          "<text x=\"%.0f\" y=\"%.0f\" text-anchor=\"%s\" fill=\"var(--%s)\"%s>%s</text>\n",
          x, y, anchor, color, more, Markup.escape(content));
    }
  }

  // The first definition in the style sheet is that of the light scheme.
  private static String color(String name) {
    Matcher value =
        Pattern.compile("--" + name + ":\\s*(#[0-9a-f]+);").matcher(Report.styleSheet());
    if (!value.find()) {
      throw new IllegalStateException("report.css has no colour --" + name);
    }
    return value.group(1);
  }
}
