package io.heddle.metrics;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.heddle.GoldenFolder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/**
 * ROUGE, stems, SQuAD 2.0 and the metrics of labels and numbers as nltk, torchmetrics,
 * transformers, scikit-learn and scipy give them: tests/golden/make_metrics.py.
 */
class MetricGoldenTest {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Path FOLDER = GoldenFolder.of("metrics");
  private final JsonNode other = JSON.readTree(FOLDER.resolve("other.json").toFile());

  MetricGoldenTest() throws IOException {}

  // torchmetrics keeps its scores in float.
  @Test
  void rouge() throws IOException {
    List<String> lines = Files.readAllLines(FOLDER.resolve("rouge.jsonl"));
    for (String line : lines) {
      JsonNode row = JSON.readTree(line);
      for (String kind : List.of("1", "2", "3", "L", "Lsum")) {
        Rouge rouge = new Rouge(kind, row.path("stem").asBoolean());
        Rouge.Score score =
            rouge.sentence(
                row.path("hypothesis").asText(), List.of(row.path("reference").asText()));
        JsonNode expected = row.path("scores");
        String key = "rouge" + kind + "_";
        assertEquals(100 * expected.path(key + "fmeasure").asDouble(), score.f1(), 1e-4, line);
        assertEquals(100 * expected.path(key + "precision").asDouble(), score.precision(), 1e-4);
        assertEquals(100 * expected.path(key + "recall").asDouble(), score.recall(), 1e-4);
      }
    }
    assertEquals(30, lines.size());
  }

  @Test
  void stems() throws IOException {
    List<String> lines = Files.readAllLines(FOLDER.resolve("stems.txt"));
    for (String line : lines) {
      String[] pair = line.split(" ", -1);
      assertEquals(pair[1], PorterStemmer.stem(pair[0]), pair[0]);
    }
    assertEquals(1209, lines.size());
  }

  @Test
  void questionsWithoutAnswers() {
    JsonNode squad = other.path("squad_v2");
    SquadV2 questions = new SquadV2();
    SquadV2 rest = new SquadV2();
    int i = 0;
    for (JsonNode q : squad.path("questions")) {
      SquadV2 shard = i++ < 6 ? questions : rest;
      shard.add(q.get(0).asText(), Options.strings(q.get(1)), q.get(2).asDouble());
    }
    questions.merge(rest);
    for (Map.Entry<String, JsonNode> e : squad.path("expected").properties()) {
      JsonNode expected = e.getValue();
      SquadV2.Score score = questions.score(Double.parseDouble(e.getKey()));
      part(expected, "", score.all());
      part(expected, "HasAns_", score.answerable());
      part(expected, "NoAns_", score.unanswerable());
      assertEquals(expected.path("best_exact").asDouble(), score.exact().value(), 1e-9);
      assertEquals(expected.path("best_exact_thresh").asDouble(), score.exact().threshold());
      assertEquals(expected.path("best_f1").asDouble(), score.f1().value(), 1e-9);
      assertEquals(expected.path("best_f1_thresh").asDouble(), score.f1().threshold());
    }
  }

  private static void part(JsonNode expected, String prefix, SquadV2.Part part) {
    assertEquals(expected.path(prefix + "exact").asDouble(), part.exact(), 1e-9, prefix);
    assertEquals(expected.path(prefix + "f1").asDouble(), part.f1(), 1e-9, prefix);
    assertEquals(expected.path(prefix + "total").asInt(), part.questions());
  }

  @Test
  void classification() {
    JsonNode c = other.path("classification");
    Confusion confusion = new Confusion(4);
    Confusion rest = new Confusion(4);
    for (int i = 0; i < c.path("targets").size(); i++) {
      (i % 2 == 0 ? confusion : rest)
          .add(c.path("targets").get(i).asInt(), c.path("predictions").get(i).asInt());
    }
    Confusion.Score score = confusion.merge(rest).score();
    assertEquals(200, score.examples());
    assertEquals(c.path("accuracy").asDouble(), score.accuracy(), 1e-12);
    assertEquals(c.path("macro").asDouble(), score.macroF1(), 1e-12);
    assertEquals(c.path("weighted").asDouble(), score.weightedF1(), 1e-12);
    assertEquals(c.path("mcc").asDouble(), score.matthews(), 1e-12);
    assertEquals(c.path("micro").asDouble(), confusion.microF1(0, 1, 2, 3), 1e-12);
    assertEquals(c.path("micro_without_0").asDouble(), confusion.microF1(1, 2, 3), 1e-12);
    for (int label = 0; label < 4; label++) {
      assertEquals(c.path("per_class").get(label).asDouble(), confusion.f1(label), 1e-12);
      assertEquals(c.path("precision").get(label).asDouble(), confusion.precision(label), 1e-12);
      assertEquals(c.path("recall").get(label).asDouble(), confusion.recall(label), 1e-12);
    }
  }

  @Test
  void correlation() {
    JsonNode c = other.path("correlation");
    Correlation pairs = new Correlation();
    Correlation rest = new Correlation();
    for (int i = 0; i < c.path("x").size(); i++) {
      (i < 50 ? pairs : rest).add(c.path("x").get(i).asDouble(), c.path("y").get(i).asDouble());
    }
    Correlation.Score score = pairs.merge(rest).score();
    assertEquals(c.path("pearson").asDouble(), score.pearson(), 1e-13);
    assertEquals(c.path("spearman").asDouble(), score.spearman(), 1e-13);
  }

  @Test
  void ranking() {
    JsonNode r = other.path("ranking");
    Ranking all = new Ranking();
    Ranking rest = new Ranking();
    for (int i = 0; i < r.path("labels").size(); i++) {
      (i < 50 ? all : rest)
          .add(r.path("scores").get(i).asDouble(), r.path("labels").get(i).asInt() == 1);
    }
    Ranking.Score score = all.merge(rest).score();
    assertEquals(r.path("auc").asDouble(), score.rocAuc(), 1e-13);
    assertEquals(r.path("ap").asDouble(), score.averagePrecision(), 1e-13);
  }

  @Test
  void calibration() {
    JsonNode c = other.path("calibration");
    Calibration all = new Calibration(c.path("bins").asInt());
    Calibration rest = new Calibration(c.path("bins").asInt());
    for (int i = 0; i < c.path("confidence").size(); i++) {
      (i < 50 ? all : rest)
          .add(c.path("confidence").get(i).asDouble(), c.path("correct").get(i).asInt() == 1);
    }
    Calibration.Score score = all.merge(rest).score();
    assertEquals(c.path("ece").asDouble(), score.expected(), 1e-6);
    assertEquals(c.path("mce").asDouble(), score.largest(), 1e-6);
  }

  @Test
  void passAtK() {
    JsonNode p = other.path("pass_at_k");
    PassAtK all = new PassAtK();
    p.path("problems")
        .forEach(n -> all.merge(new PassAtK().add(n.get(0).asInt(), n.get(1).asInt())));
    for (int i = 0; i < p.path("k").size(); i++) {
      assertEquals(
          p.path("expected").get(i).asDouble(), all.score(p.path("k").get(i).asInt()), 1e-12);
    }
  }
}
