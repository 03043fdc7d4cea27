package io.heddle.report;

import java.awt.Color;
import java.awt.Font;
import java.awt.Graphics2D;
import java.awt.RenderingHints;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import javax.imageio.ImageIO;

/**
 * A table of numbers as coloured squares: blue below zero, white at it, red above; deepest at
 * {@code most} and beyond.
 */
public final class HeatMap {
  private static final int CELL = 64;
  private static final int LABEL = 150;
  private static final Color LOW = new Color(0x2563eb);
  private static final Color HIGH = new Color(0xdc2626);

  private final List<String> rows;
  private final List<String> columns;
  private final double[][] values;
  private final double most;

  /**
   * A map.
   *
   * @param values by row and column; NaN is grey
   * @param most the magnitude that is drawn deepest, positive
   */
  public HeatMap(List<String> rows, List<String> columns, double[][] values, double most) {
    if (values.length != rows.size() || !(most > 0)) {
      throw new IllegalArgumentException(
          values.length + " rows of values for " + rows.size() + " names, deepest at " + most);
    }
    this.rows = List.copyOf(rows);
    this.columns = List.copyOf(columns);
    this.values = values.clone();
    this.most = most;
  }

  private int width() {
    return LABEL + columns.size() * CELL;
  }

  private int height() {
    return LABEL / 4 + rows.size() * CELL;
  }

  private Color color(double value) {
    if (Double.isNaN(value)) {
      return Color.LIGHT_GRAY;
    }
    double depth = Math.min(1, Math.abs(value) / most);
    Color end = value < 0 ? LOW : HIGH;
    return new Color(
        mixed(end.getRed(), depth), mixed(end.getGreen(), depth), mixed(end.getBlue(), depth));
  }

  private static int mixed(int end, double depth) {
    return (int) Math.round(255 + (end - 255) * depth);
  }

  private static String text(double value) {
    return Double.isNaN(value) ? "-" : String.format(Locale.ROOT, "%.3f", value);
  }

  // Dark squares have light letters.
  private Color ink(double value) {
    return Math.abs(value) / most > 0.6 ? Color.WHITE : Color.BLACK;
  }

  private static String shortened(String label, int most) {
    return label.length() <= most ? label : label.substring(0, most - 1) + "\u2026";
  }

  /** The map as an SVG element. */
  public String svg() {
    StringBuilder svg = new StringBuilder();
    svg.append(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"layouts\" role=\"img\" width=\"%d\""
                .formatted(width())
            + " height=\"%d\" font-size=\"12\">%n".formatted(height()));
    int top = LABEL / 4;
    for (int c = 0; c < columns.size(); c++) {
      letters(
          svg,
          LABEL + c * CELL + CELL / 2,
          top - 10,
          "middle",
          "currentColor",
          shortened(columns.get(c), 9));
    }
    for (int r = 0; r < rows.size(); r++) {
      int y = top + r * CELL;
      letters(svg, LABEL - 8, y + CELL / 2 + 4, "end", "currentColor", shortened(rows.get(r), 20));
      for (int c = 0; c < columns.size(); c++) {
        double value = values[r][c];
        svg.append(
            "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" fill=\"%s\"/>%n"
                .formatted(LABEL + c * CELL, y, CELL - 2, CELL - 2, hex(color(value))));
        letters(
            svg,
            LABEL + c * CELL + CELL / 2 - 1,
            y + CELL / 2 + 4,
            "middle",
            hex(ink(value)),
            text(value));
      }
    }
    return svg.append("</svg>\n").toString();
  }

  private static void letters(
      StringBuilder svg, int x, int y, String anchor, String fill, String text) {
    svg.append(
        "<text x=\"%d\" y=\"%d\" text-anchor=\"%s\" fill=\"%s\">%s</text>%n"
            .formatted(x, y, anchor, fill, Markup.escape(text)));
  }

  private static String hex(Color color) {
    return "#%06x".formatted(color.getRGB() & 0xffffff);
  }

  /** Writes the map as a picture. */
  public void writePng(Path file) throws IOException {
    BufferedImage image = new BufferedImage(width(), height(), BufferedImage.TYPE_INT_RGB);
    Graphics2D g = image.createGraphics();
    try {
      g.setRenderingHint(
          RenderingHints.KEY_TEXT_ANTIALIASING, RenderingHints.VALUE_TEXT_ANTIALIAS_ON);
      g.setColor(Color.WHITE);
      g.fillRect(0, 0, width(), height());
      g.setFont(new Font(Font.SANS_SERIF, Font.PLAIN, 12));
      int top = LABEL / 4;
      for (int r = 0; r < rows.size(); r++) {
        String label = shortened(rows.get(r), 20);
        g.setColor(Color.BLACK);
        int right = LABEL - 8 - g.getFontMetrics().stringWidth(label);
        g.drawString(label, right, top + r * CELL + CELL / 2 + 4);
        for (int c = 0; c < columns.size(); c++) {
          g.setColor(color(values[r][c]));
          g.fillRect(LABEL + c * CELL, top + r * CELL, CELL - 2, CELL - 2);
          centred(g, text(values[r][c]), c, top + r * CELL + CELL / 2 + 4, ink(values[r][c]));
        }
      }
      for (int c = 0; c < columns.size(); c++) {
        centred(g, shortened(columns.get(c), 9), c, top - 10, Color.BLACK);
      }
    } finally {
      g.dispose();
    }
    if (!ImageIO.write(image, "png", file.toFile())) {
      throw new IOException(file + " cannot be written: this Java has no PNG writer");
    }
  }

  private static void centred(Graphics2D g, String text, int column, int y, Color color) {
    g.setColor(color);
    int x = LABEL + column * CELL + (CELL - g.getFontMetrics().stringWidth(text)) / 2;
    g.drawString(text, x, y);
  }
}
