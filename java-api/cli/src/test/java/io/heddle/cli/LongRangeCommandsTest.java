package io.heddle.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The verbs plan longrange and convert. */
class LongRangeCommandsTest {
  private final StringWriter out = new StringWriter();
  private final StringWriter err = new StringWriter();

  private int run(String... arguments) {
    out.getBuffer().setLength(0);
    err.getBuffer().setLength(0);
    return Main.run(new PrintWriter(out), new PrintWriter(err, true), arguments);
  }

  @Test
  void planPrintsTheTradeOffAndAProposal(@TempDir Path folder) throws IOException {
    Path page = folder.resolve("plan.html");
    assertEquals(
        0,
        run(
            "plan",
            "longrange",
            "--block=1024",
            "--full=4",
            "--budget-flops=83%",
            "--report=" + page),
        err.toString());
    String text = out.toString();
    // 4 of 24 layers full, blocks of 1024 at 8192 tokens: 27.1 % of the pairs.
    assertTrue(text.matches("(?s).*>     4  FFFFB{20} +27\\.1 +72\\.9 % +81\\.8 .*"), text);
    assertTrue(text.contains("--schedule 'block:1024,full@bottom:5'"), text);
    assertTrue(Files.readString(page).contains("<svg"));

    assertEquals(0, run("plan", "longrange", "--json", "--budget-memory=80m"), err.toString());
    JsonNode json = new ObjectMapper().readTree(out.toString());
    assertEquals(0, json.path("proposed").path("full").asInt());
    assertTrue(json.path("proposed").path("cost").path("cache").asLong() <= 80 << 20);
  }

  @Test
  void planMeasuresLayers(@TempDir Path folder) throws IOException {
    Path page = folder.resolve("plan.html");
    String[] plan = {
      "plan",
      "longrange",
      "--layers=3",
      "--dim=32",
      "--heads=2",
      "--seq=160",
      "--full=1",
      "--window=16",
      "--bytes=4",
      "--measure=2",
      "--backend=reference",
      "--report=" + page,
      "--quiet"
    };
    assertEquals(0, run(plan), err.toString());
    String text = out.toString();
    assertTrue(text.matches("(?s).* 0  full +[\\d.]+ .* 2  window:16 +[\\d.]+ .*"), text);
    assertTrue(Files.readString(page).contains("Measured by layer"));

    String[] json = java.util.Arrays.copyOf(plan, plan.length + 1);
    json[plan.length] = "--json";
    assertEquals(0, run(json), err.toString());
    JsonNode rows = new ObjectMapper().readTree(out.toString()).path("measured").path("rows");
    assertEquals(3, rows.size());
    assertTrue(rows.get(2).path("backward").asDouble() > 0, rows.toString());

    plan[8] = "--bytes=1";
    assertEquals(2, run(plan));
    assertTrue(err.toString().contains("--bytes is 1"), err.toString());
  }

  @Test
  void whatDoesNotFitIsSaid() {
    assertEquals(1, run("plan", "longrange", "--budget-flops=1e6"));
    assertTrue(err.toString().contains("no schedule fits the budget"), err.toString());
    assertEquals(2, run("plan", "longrange", "--budget-flops=lots"));
    assertTrue(err.toString().contains("--budget-flops is 'lots'"), err.toString());
    assertEquals(2, run("plan", "longrange", "--window=8", "--block=8"));
    assertEquals(2, run("plan"));
    assertEquals(2, run("reproduce", "masformer", "--out=x", "--text-only"));
    assertTrue(err.toString().contains("--data"), err.toString());
  }

  @Test
  void convertWritesAFolder(@TempDir Path folder) throws IOException {
    String model = golden("models/gpt2").toString();
    String made = folder.resolve("made").toString();
    String[] convert = {
      "convert",
      model,
      "--schedule=block:8,full@bottom:1",
      "--context=200",
      "--positions=interpolate",
      "--backend=reference",
      "--out=" + made
    };
    assertEquals(0, run(convert), err.toString());
    assertTrue(out.toString().contains("FB"), out.toString());
    JsonNode json = new ObjectMapper().readTree(Path.of(made, "config.json").toFile());
    assertEquals(200, json.path("n_positions").asInt());
    assertEquals("block:8,full@bottom:1", json.path("heddle_schedule").asText());
    assertEquals(1, run(convert));
    assertTrue(err.toString().contains("made exists"), err.toString());
    assertEquals(1, run("convert", model, "--positions=guess", "--out=" + folder.resolve("x")));
    assertTrue(err.toString().contains("'guess'"), err.toString());
  }

  private static Path golden(String name) {
    Path folder = Path.of("").toAbsolutePath();
    while (!Files.isDirectory(folder.resolve("tests/golden"))) {
      folder = Objects.requireNonNull(folder.getParent(), "tests/golden above " + name);
    }
    return folder.resolve("tests/golden").resolve(name);
  }
}
