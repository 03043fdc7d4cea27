package io.heddle.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.StringReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.xml.sax.InputSource;

class ReportTest {
  @Test
  void writesTheSamePageTwiceAndLeavesNothingBeside(@TempDir Path folder) throws IOException {
    Path first = folder.resolve("a/report.html");
    Path second = folder.resolve("b.html");
    sample().write(first);
    Files.writeString(second, "the page before");
    sample().write(second);
    assertEquals(Files.readString(first), Files.readString(second));
    try (Stream<Path> files = Files.list(first.getParent())) {
      assertEquals(List.of(first), files.toList());
    }
  }

  @Test
  void loadsNothing() {
    String page = sample().html();
    assertFalse(page.contains("src="), "an image or script");
    assertFalse(page.contains("href="), "a link");
    assertFalse(page.contains("url(") && !page.contains("url(#"), "a resource of the style sheet");
    assertFalse(page.contains("@import"));
  }

  @Test
  void escapesEveryText() {
    String evil = "<script>&\"'\u0001";
    String page =
        Report.title(evil)
            .section(evil)
            .paragraph(evil)
            .facts(Map.of(evil, evil))
            .table(List.of(evil), List.of(List.of(evil)))
            .chart(
                new LineChart(evil, evil, evil)
                    .series(evil, new double[] {1, 2}, new double[] {1, 2})
                    .series("other", new double[] {1, 2}, new double[] {2, 1}))
            .svg(evil, new LayoutPicture().layer(evil, 4, 4, (q, k) -> k <= q).svg())
            .html();
    assertFalse(page.contains("<script"));
    assertFalse(page.contains("\u0001"));
    assertTrue(page.contains("&lt;script&gt;&amp;&quot;&#39;"));
  }

  @Test
  void numbersStandToTheRight() {
    String page =
        Report.title("t")
            .table(
                List.of("name", "loss"), List.of(List.of("a", 3.14159), Arrays.asList("b", null)))
            .html();
    assertTrue(page.contains("<th>name</th><th class=\"number\">loss</th>"));
    assertTrue(page.contains("<td>a</td><td class=\"number\">3.142</td>"));
    assertTrue(page.contains("<td>b</td><td class=\"number\"></td>"));
    assertThrows(
        IllegalArgumentException.class,
        () -> Report.title("t").table(List.of("a"), List.of(List.of(1, 2))));
  }

  @Test
  void numbersAreShort() {
    assertEquals("12,345", Markup.number(12345));
    assertEquals("0.01235", Markup.number(0.0123456));
    assertEquals("2.5e-5", Markup.number(2.5e-5));
    assertEquals("1,234", Markup.number(1234.4));
    assertEquals("-\u221E", Markup.number(Double.NEGATIVE_INFINITY));
    assertEquals("0", Markup.tick(0));
    assertEquals("2,500", Markup.tick(2500));
    assertEquals("12k", Markup.tick(12_000));
    assertEquals("1.5M", Markup.tick(1_500_000));
    assertEquals("3e-4", Markup.tick(3e-4));
    assertEquals("100", Markup.tick(100));
  }

  @Test
  void drawingsAreWellFormedAndKeepTheirIdsApart() throws Exception {
    LineChart chart =
        new LineChart("loss", "step", "nats")
            .series("train", new double[] {1, 2, 3}, new double[] {3, Double.NaN, 1});
    String one = chart.svg("one");
    DocumentBuilderFactory.newInstance()
        .newDocumentBuilder()
        .parse(new InputSource(new StringReader(one)));
    assertTrue(one.contains("id=\"one-0\"") && one.contains("url(#one-0)"));
    assertFalse(chart.svg("two").contains("one-"));
    assertTrue(one.contains("var(--series-0)") && one.contains("var(--line)"));
    assertFalse(one.contains("rgb("), "a colour that does not follow the scheme");
  }

  @Test
  void aSpikeSurvivesThinning() {
    int n = 100_000;
    double[] x = IntStream.range(0, n).asDoubleStream().toArray();
    double[] y = new double[n];
    y[77_777] = 9000;
    String svg = new LineChart("t", "x", "y").series("s", x, y).svg("c");
    assertTrue(svg.length() < 60_000, "drawn with " + svg.length() + " characters");
    y[77_777] = 0;
    String flat = new LineChart("t", "x", "y").series("s", x, y).svg("c");
    assertNotEquals(flat, svg, "the spike is drawn");
  }

  @Test
  void chartsWithoutDataSaySo() {
    String page =
        Report.title("t")
            .chart(new LineChart("empty", "x", "y").series("s", new double[0], new double[0]))
            .chart(
                new LineChart("nan", "x", "y")
                    .series("s", new double[] {1}, new double[] {Double.NaN}))
            .chart(new BarChart("bars", "y", List.of()))
            .html();
    assertEquals(4, page.split("no data", -1).length);
    assertThrows(
        IllegalArgumentException.class,
        () -> new LineChart("t", "x", "y").series("s", new double[1], new double[2]));
    assertThrows(
        IllegalArgumentException.class,
        () -> new BarChart("t", "y", List.of("a")).series("s", 1, 2));
  }

  @Test
  void constantAndSinglePointSeriesAreDrawn() {
    String page =
        Report.title("t")
            .chart(new LineChart("one", "x", "y").series("s", new double[] {5}, new double[] {2.5}))
            .chart(
                new LineChart("flat", "x", "y")
                    .series("s", new double[] {1, 2}, new double[] {0, 0}))
            .chart(
                new LineChart("log", "x", "y")
                    .logarithmic()
                    .series("s", new double[] {1, 2}, new double[] {0, 10}))
            .chart(new BarChart("zero", "y", List.of("a")).series("s", 0))
            .html();
    assertEquals(5, page.split("<svg", -1).length);
  }

  /** A page with one of everything; {@code -Dheddle.sample=FILE} keeps it to look at. */
  @Test
  void sampleHasEverything(@TempDir Path folder) throws IOException {
    String file = System.getProperty("heddle.sample");
    Path target = file == null ? folder.resolve("sample.html") : Path.of(file);
    sample().write(target);
    String page = Files.readString(target);
    assertEquals(7, page.split("<figure", -1).length);
    assertTrue(page.length() < 500_000, "the page has " + page.length() + " characters");
  }

  private static Report sample() {
    int n = 3000;
    double[] steps = IntStream.rangeClosed(1, n).asDoubleStream().toArray();
    double[] loss = new double[n];
    double[] speed = new double[n];
    double[] rate = new double[n];
    for (int i = 0; i < n; i++) {
      double noise = Math.sin(i * 12.9898) * 43758.5453;
      noise -= Math.floor(noise) + 0.5;
      loss[i] = 3.1 + 7.5 * Math.exp(-i / 260.0) + 0.35 * noise;
      speed[i] = 41_800 + 2600 * noise - (i % 500 < 8 ? 17_000 : 0);
      rate[i] = 3e-4 * Math.min(1, i / 200.0) * (0.55 + 0.45 * Math.cos(Math.PI * i / n));
    }
    double[] evaluated = IntStream.rangeClosed(1, 10).mapToDouble(i -> i * 300.0).toArray();
    double[] validation =
        Arrays.stream(evaluated).map(i -> 3.32 + 7.0 * Math.exp(-i / 260.0)).toArray();
    Map<String, Object> facts = new LinkedHashMap<>();
    facts.put("method", "masformer");
    facts.put("backend", "cpu (x86-64-v4, avx512bf16)");
    facts.put("seed", 42);
    facts.put("parameters", 124_439_808);
    return Report.title("MASFormer on PubMed")
        .paragraph("3,000 steps of 16,384 tokens: full attention in the last two layers.")
        .facts(facts)
        .section("Loss")
        .chart(
            new LineChart("Loss", "step", "nats per token")
                .series("train", steps, loss)
                .series("validation", evaluated, validation))
        .chart(new LineChart("Learning rate", "step", "").series("rate", steps, rate))
        .section("Speed")
        .chart(new LineChart("Throughput", "step", "tokens per second").series("t", steps, speed))
        .chart(
            new BarChart("Peers", "tokens per second", List.of("heddle", "libtorch", "DJL"))
                .series("forward", 118_000, 97_500, 91_000)
                .series("forward and backward", 41_800, 36_100, 33_400))
        .chart(
            new BarChart("Per layer", "ms", List.of("attention", "mlp", "norm", "embedding"))
                .series("time", 12.5, 30.25, 2.1, 0.4))
        .section("Layers")
        .svg("Rows: queries; columns: keys. Pale: some pairs of the cell are seen.", layouts())
        .section("Evaluation")
        .table(
            List.of("data set", "documents", "loss", "perplexity"),
            List.of(List.of("validation", 2048, 3.3214, 27.70), List.of("test", 512, 3.398, 29.9)));
  }

  private static String layouts() {
    LayoutPicture picture = new LayoutPicture();
    long t = 4096;
    for (int layer = 0; layer < 8; layer++) {
      if (layer >= 6) {
        picture.layer("layer " + layer + ": full", t, t, (q, k) -> k <= q);
      } else if (layer % 2 == 0) {
        picture.layer("layer " + layer + ": window 512", t, t, (q, k) -> k <= q && q - k <= 512);
      } else {
        picture.layer(
            "layer " + layer + ": dilated, global",
            t,
            t,
            (q, k) -> k < 16 || (Math.abs(q - k) <= 600 && (q - k) % 3 == 0));
      }
    }
    return picture.svg();
  }
}
