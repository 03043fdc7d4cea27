package io.heddle.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Charts as files of their own. */
class PictureTest {
  private static final double[] X = {0, 1, 2};

  @TempDir private Path folder = Path.of("");

  @Test
  void standsAlone() throws Exception {
    Path file = folder.resolve("a.svg");
    LineChart chart = new LineChart("Loss & rate", "step", "nats");
    chart.series("first", X, new double[] {3, 2, 1}).series("second", X, new double[] {3, 3, 3});
    Picture.write(file, chart);
    String svg = Files.readString(file);
    assertFalse(svg.contains("var("), "a colour that only the report's page has");
    for (String text : new String[] {"Loss &amp; rate", "step", "nats", "first", "second"}) {
      assertTrue(svg.contains(">" + text + "<"), text);
    }
    var document = DocumentBuilderFactory.newInstance().newDocumentBuilder().parse(file.toFile());
    assertEquals("svg", document.getDocumentElement().getTagName());
    assertEquals(svg, Picture.svg(chart));
  }

  @Test
  void oneSeriesNeedsNoLegend() throws IOException {
    BarChart chart = new BarChart("Bars", "", List.of("a", "b"));
    chart.series("only", 1, 2);
    String svg = Picture.svg(chart);
    assertFalse(svg.contains(">only<"));
    assertEquals("", chart.horizontal());
    assertTrue(height(svg) < height(Picture.svg(chart.series("other", 2, 1))));
  }

  private static int height(String svg) {
    return Integer.parseInt(svg.replaceAll("(?s).*?viewBox=\"0 0 \\d+ (\\d+)\".*", "$1"));
  }
}
