package io.heddle.metrics;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.heddle.GoldenFolder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/**
 * BLEU, chrF, TER and the paired bootstrap as sacreBLEU gives them: tests/golden/make_metrics.py.
 */
class TranslationGoldenTest {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Path FOLDER = GoldenFolder.of("metrics");
  private final JsonNode texts = JSON.readTree(FOLDER.resolve("texts.json").toFile());
  private final List<JsonNode> rows = new ArrayList<>();

  TranslationGoldenTest() throws IOException {
    for (String line : Files.readAllLines(FOLDER.resolve("translation.jsonl"))) {
      rows.add(JSON.readTree(line));
    }
  }

  private List<JsonNode> rows(String metric) {
    return rows.stream().filter(r -> r.path("metric").asText().equals(metric)).toList();
  }

  private <S extends MetricScore> void check(TextMetric<S> metric, JsonNode row) {
    List<String> system = Options.strings(texts.path("systems").get(row.path("system").asInt()));
    int references = row.path("nrefs").asInt();
    Tally<S> tally = new Tally<>(metric);
    Tally<S> rest = new Tally<>(metric);
    for (int i = 0; i < system.size(); i++) {
      List<String> right = Options.references(texts.path("refs"), references, i);
      (i % 3 == 0 ? rest : tally).add(system.get(i), right);
      double alone = row.path("sentences").get(i).asDouble();
      String where = row.path("options") + " segment " + i;
      assertEquals(alone, metric.sentence(system.get(i), right).value(), 1e-9, where);
    }
    S score = tally.merge(rest).score();
    String where = row.path("options") + " system " + row.path("system");
    assertEquals(row.path("score").asDouble(), score.value(), 1e-9, where);
    assertEquals(row.path("name").asText(), score.name());
    assertEquals(row.path("verbose").asText(), score.details(), where);
    assertEquals(row.path("signature").asText(), tally.signature());
  }

  @Test
  void agreesWithSacrebleu() {
    int checked = 0;
    for (String name : List.of("bleu", "chrf", "ter")) {
      for (JsonNode row : rows(name)) {
        check(Options.metric(name, row.path("options")), row);
        checked++;
      }
    }
    assertEquals(8 * (11 + 5 + 5), checked);
    System.out.println("sacreBLEU: " + checked + " corpus scores and their segments agree");
  }

  @Test
  void longShiftsAgree() {
    JsonNode edits = rows("ter_long").getFirst().path("edits");
    List<String> hypotheses = Options.strings(texts.path("long_hyps"));
    List<String> references = Options.strings(texts.path("long_refs"));
    for (int i = 0; i < hypotheses.size(); i++) {
      Ter.Score score = Ter.standard().sentence(hypotheses.get(i), List.of(references.get(i)));
      assertEquals(edits.get(i).asLong(), score.edits(), "segment " + i);
    }
  }

  private <S extends MetricScore> List<double[]> counts(TextMetric<S> metric, int system) {
    List<double[]> out = new ArrayList<>();
    List<String> lines = Options.strings(texts.path("systems").get(system));
    for (int i = 0; i < lines.size(); i++) {
      out.add(metric.count(lines.get(i), Options.references(texts.path("refs"), 2, i)));
    }
    return out;
  }

  // sacreBLEU scores resamples in float, so that its means are a little off.
  @Test
  void pairedBootstrapDrawsTheSameSamples() {
    for (JsonNode row : rows("paired")) {
      var metric = Options.metric(row.path("of").asText(), JSON.createObjectNode());
      List<double[]> baseline = counts(metric, row.path("systems").get(0).asInt());
      for (int k = 1; k < 3; k++) {
        double[] expected = Options.numbers(row.path("results").get(k));
        List<double[]> system = counts(metric, row.path("systems").get(k).asInt());
        var paired = Bootstrap.standard().paired(metric, baseline, system);
        assertEquals(expected[0], paired.system(), 1e-9);
        assertEquals(expected[1], paired.pValue(), 1e-12, row.path("of").asText());
        assertEquals(expected[2], paired.interval().mean(), 1e-4);
        assertEquals(expected[3], paired.interval().halfWidth(), 1e-4);
        double[] before = Options.numbers(row.path("results").get(0));
        assertEquals(before[2], paired.baselineInterval().mean(), 1e-4);
        assertEquals(before[3], paired.baselineInterval().halfWidth(), 1e-4);
        assertEquals(k == 1, paired.wins() > 0.5, "system 0 is better than 1, 2 is worse");
      }
    }
  }

  @Test
  void drawsAreNumpys() throws IOException {
    JsonNode draws = JSON.readTree(FOLDER.resolve("other.json").toFile()).path("draws");
    for (String which : new String[] {"", "2"}) {
      Pcg64 random = new Pcg64(draws.path("seed" + which).asLong());
      double[] expected = Options.numbers(draws.path("first" + which));
      double[] drawn = new double[expected.length];
      for (int i = 0; i < drawn.length; i++) {
        drawn[i] = random.below(draws.path("bound" + which).asInt());
      }
      assertArrayEquals(expected, drawn, 0);
    }
  }
}
