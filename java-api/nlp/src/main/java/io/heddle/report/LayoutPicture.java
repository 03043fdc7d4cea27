package io.heddle.report;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.LongStream;

/**
 * A picture of who sees whom: one small square per layer, queries downwards, keys to the right. A
 * full cell means that every pair in it is seen, a pale one that some are.
 */
public final class LayoutPicture {
  private static final int CELLS = 48;
  // Neighbours looked at in a cell's start, middle and end, on each axis: a run of them meets every
  // pattern of a short period, which samples far apart would show as noise.
  private static final int RUN = 4;
  private static final int SIZE = 112;
  private static final int GAP = 20;
  private static final int CAPTION = 22;
  private static final int COLUMNS = 6;

  /** Whether a query sees a key: the predicate that defines an attention pattern. */
  @FunctionalInterface
  public interface Sees {
    /** Answers for one pair of positions. */
    boolean test(long query, long key);
  }

  private record Panel(String caption, int rows, int columns, String some, String all) {}

  private final List<Panel> panels = new ArrayList<>();

  /** An empty picture. */
  public LayoutPicture() {}

  /**
   * Adds a layer.
   *
   * @param caption what stands below it, e.g. {@code layer 3: full}
   * @param queries number of queries, at least 1
   * @param keys number of keys, at least 1
   * @param sees the pattern
   */
  public LayoutPicture layer(String caption, long queries, long keys, Sees sees) {
    if (queries < 1 || keys < 1) {
      throw new IllegalArgumentException(
          "a layout of " + queries + " queries and " + keys + " keys has nothing to draw");
    }
    int rows = (int) Math.min(CELLS, queries);
    int columns = (int) Math.min(CELLS, keys);
    StringBuilder some = new StringBuilder();
    StringBuilder all = new StringBuilder();
    for (int r = 0; r < rows; r++) {
      long[] q = positions(r, rows, queries);
      // Neighbours of one shade become one rectangle.
      int start = 0;
      int shade = shade(q, positions(0, columns, keys), sees);
      for (int c = 1; c <= columns; c++) {
        int next = c == columns ? -1 : shade(q, positions(c, columns, keys), sees);
        if (next != shade) {
          if (shade > 0) {
            (shade == 2 ? all : some).append(rectangle(start, r, c - start));
          }
          start = c;
          shade = next;
        }
      }
    }
    panels.add(new Panel(caption, rows, columns, some.toString(), all.toString()));
    return this;
  }

  /**
   * The picture as an SVG element; it takes the page's colours, or its own where there are none.
   */
  public String svg() {
    int columns = Math.max(1, Math.min(COLUMNS, panels.size()));
    int lines = (panels.size() + columns - 1) / columns;
    int width = columns * (SIZE + GAP) - GAP + 2;
    int height = Math.max(1, lines) * (SIZE + CAPTION + GAP) - GAP + 2;
    StringBuilder svg = new StringBuilder();
    svg.append(
        String.format(
            Locale.ROOT,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"layouts\" role=\"img\""
                + " width=\"%d\" height=\"%d\" viewBox=\"-1 -1 %d %d\">%n",
            width,
            height,
            width,
            height));
    for (int i = 0; i < panels.size(); i++) {
      draw(panels.get(i), i % columns * (SIZE + GAP), i / columns * (SIZE + CAPTION + GAP), svg);
    }
    return svg.append("</svg>\n").toString();
  }

  private static void draw(Panel panel, int x, int y, StringBuilder svg) {
    svg.append(
        String.format(
            Locale.ROOT,
            """
            <g transform="translate(%d %d)" fill="var(--accent, #2563eb)"><title>%s</title>
            <rect width="%d" height="%d" fill="var(--panel, #f4f4f5)"/>
            <svg width="%d" height="%d" viewBox="0 0 %d %d" preserveAspectRatio="none"\
             shape-rendering="crispEdges"><path fill-opacity="0.4" d="%s"/><path d="%s"/></svg>
            <rect width="%d" height="%d" fill="none" stroke="var(--line, #d4d4d8)"/>
            <text y="%d" font-size="11" fill="currentColor">%s</text></g>
            """,
            x,
            y,
            Markup.escape(panel.caption),
            SIZE,
            SIZE,
            SIZE,
            SIZE,
            panel.columns,
            panel.rows,
            panel.some,
            panel.all,
            SIZE,
            SIZE,
            SIZE + 16,
            Markup.escape(shortened(panel.caption))));
  }

  // The square's width holds about so many characters; the whole caption is the tooltip.
  private static String shortened(String caption) {
    return caption.length() <= 21 ? caption : caption.substring(0, 20) + "\u2026";
  }

  /** The positions of a cell that are looked at. */
  private static long[] positions(int cell, int cells, long length) {
    long from = Math.multiplyExact((long) cell, length) / cells;
    long to = Math.multiplyExact(cell + 1L, length) / cells;
    if (to - from <= 3 * RUN) {
      return LongStream.range(from, to).toArray();
    }
    long middle = from + (to - from) / 2 - RUN / 2;
    return LongStream.of(from, middle, to - RUN)
        .flatMap(start -> LongStream.range(start, start + RUN))
        .toArray();
  }

  /** 0: no pair is seen, 1: some are, 2: all are. */
  private static int shade(long[] queries, long[] keys, Sees sees) {
    boolean some = false;
    boolean all = true;
    for (long q : queries) {
      for (long k : keys) {
        boolean seen = sees.test(q, k);
        some |= seen;
        all &= seen;
      }
    }
    return all ? 2 : some ? 1 : 0;
  }

  private static String rectangle(int x, int y, int width) {
    return "M" + x + " " + y + "h" + width + "v1h-" + width + "z";
  }
}
