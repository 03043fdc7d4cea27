package io.heddle.report;

import java.awt.BasicStroke;
import java.awt.Color;
import java.awt.Font;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.knowm.xchart.VectorGraphicsEncoder;
import org.knowm.xchart.VectorGraphicsEncoder.VectorGraphicsFormat;
import org.knowm.xchart.internal.chartpart.Chart;
import org.knowm.xchart.style.AxesChartStyler;

/**
 * XChart drawings as inline SVG in the colours of the page. XChart knows fixed colours only, so
 * each role is painted in a stand-in colour that the SVG then trades for a CSS variable: that is
 * what lets one drawing follow the reader's light or dark scheme.
 */
final class Drawing {
  static final int WIDTH = 760;
  static final int HEIGHT = 280;

  /** Number of series colours that the style sheet has. */
  static final int COLORS = 6;

  static final BasicStroke LINE =
      new BasicStroke(1.6f, BasicStroke.CAP_ROUND, BasicStroke.JOIN_ROUND);

  private static final Color NOTHING = new Color(1, 3, 0);
  private static final Color TEXT = new Color(1, 3, 1);
  private static final Color GRID = new Color(1, 3, 2);
  private static final Pattern COLOR = Pattern.compile("rgb\\(1,([23]),(\\d+)\\)");
  private static final Pattern LONG_DECIMAL = Pattern.compile("-?\\d+\\.\\d{2,}(E-?\\d+)?");
  private static final Pattern CLIP_ID = Pattern.compile("clip-?\\d+");
  private static final Pattern SEGMENT =
      Pattern.compile(
          "\\s*<line style=\"([^\"]+)\" x1=\"([^\"]+)\" x2=\"([^\"]+)\" y1=\"([^\"]+)\""
              + " y2=\"([^\"]+)\"/>");
  private static final Pattern HEAD = Pattern.compile("^.*?<svg[^>]*>", Pattern.DOTALL);

  private Drawing() {}

  /** Stand-in colour of the i-th series; colours repeat after {@link #COLORS}. */
  static Color series(int i) {
    return new Color(1, 2, i % COLORS);
  }

  /** Only the data, a faint grid and labels: title, legend and axis names are HTML. */
  static void style(AxesChartStyler styler) {
    Font font = new Font(Font.SANS_SERIF, Font.PLAIN, 11);
    styler.setChartBackgroundColor(NOTHING);
    styler.setPlotBackgroundColor(NOTHING);
    styler.setPlotBorderVisible(false);
    styler.setChartTitleVisible(false);
    styler.setLegendVisible(false);
    styler.setChartPadding(4);
    styler.setMarkerSize(5);
    styler.setAxisTitlesVisible(false);
    styler.setAxisTickLabelsFont(font);
    styler.setAxisTickLabelsColor(TEXT);
    styler.setXAxisTickLabelsColor(TEXT);
    styler.setYAxisTickLabelsColor(TEXT);
    styler.setAxisTicksLineVisible(false);
    styler.setAxisTicksMarksVisible(false);
    styler.setAxisTickPadding(6);
    styler.setPlotGridVerticalLinesVisible(false);
    styler.setPlotGridLinesColor(GRID);
    styler.setPlotGridLinesStroke(new BasicStroke(1f));
    styler.setPlotContentSize(0.98);
    styler.setPlotMargin(4);
    styler.setYAxisTickMarkSpacingHint(46);
  }

  /** Paints the chart; ids inside begin with {@code id}. */
  static String svg(Chart<?, ?> chart, String id) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try {
      VectorGraphicsEncoder.saveVectorGraphic(chart, bytes, VectorGraphicsFormat.SVG);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return inline(bytes.toString(StandardCharsets.UTF_8), id);
  }

  /** A stand-alone SVG document made fit to stand in a page: its colours, few digits, own ids. */
  static String inline(String document, String id) {
    String head = "<svg viewBox=\"0 0 " + WIDTH + " " + HEIGHT + "\" role=\"img\">";
    String svg = HEAD.matcher(document).replaceFirst(head);
    svg = COLOR.matcher(svg).replaceAll(Drawing::variable);
    svg = joined(LONG_DECIMAL.matcher(svg).replaceAll(Drawing::rounded));
    // VectorGraphics2D names clips by identity hash, which changes from run to run and may repeat.
    Map<String, String> clips = new LinkedHashMap<>();
    return CLIP_ID
        .matcher(svg)
        .replaceAll(m -> clips.computeIfAbsent(m.group(), name -> id + "-" + clips.size()));
  }

  /** Chains of segments, each of which begins where the one before ends, as one path each. */
  private static String joined(String svg) {
    StringBuilder all = new StringBuilder(svg.length());
    String style = "";
    String end = "";
    for (String line : svg.split("\n", -1)) {
      Matcher segment = SEGMENT.matcher(line);
      boolean found = segment.matches();
      String from = found ? segment.group(2) + " " + segment.group(4) : "";
      boolean goesOn = found && segment.group(1).equals(style) && from.equals(end);
      if (!style.isEmpty() && !goesOn) {
        all.append("\"/>\n");
        style = "";
      }
      if (!found) {
        all.append(line).append('\n');
        continue;
      }
      if (!goesOn) {
        style = segment.group(1);
        all.append("<path style=\"").append(style).append("\" d=\"M").append(from);
      }
      end = segment.group(3) + " " + segment.group(5);
      all.append('L').append(end);
    }
    return all.toString();
  }

  private static String variable(MatchResult color) {
    if (color.group(1).equals("2")) {
      return "var(--series-" + color.group(2) + ")";
    }
    return switch (color.group(2)) {
      case "0" -> "none";
      case "1" -> "var(--muted)";
      default -> "var(--line)";
    };
  }

  // A tenth of a pixel is as fine as an eye sees.
  private static String rounded(MatchResult number) {
    BigDecimal value = new BigDecimal(number.group()).setScale(1, RoundingMode.HALF_EVEN);
    return value.signum() == 0 ? "0" : value.stripTrailingZeros().toPlainString();
  }
}
