package io.heddle.metrics;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.heddle.DataFolder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

/** Expected values that sacreBLEU and T5 publish with their own tests. */
class StagedMetricsTest {
  private static final ObjectMapper JSON = new ObjectMapper();
  private Path folder = Path.of("");

  private List<String> lines(String file) throws IOException {
    folder = DataFolder.of("metric-goldens");
    return Files.readAllLines(folder.resolve(file));
  }

  private static <S extends MetricScore> double score(TextMetric<S> metric, JsonNode row) {
    Tally<S> tally = new Tally<>(metric);
    JsonNode references = row.path("references");
    for (int i = 0; i < row.path("hypotheses").size(); i++) {
      List<String> right = Options.references(references, references.size(), i);
      tally.add(row.path("hypotheses").get(i).asText(), right);
    }
    return tally.score().value();
  }

  @Test
  void translation() throws IOException {
    Map<String, Integer> counts = new TreeMap<>();
    for (String line : lines("mt_metrics.jsonl")) {
      JsonNode row = JSON.readTree(line);
      String name = row.path("metric").asText();
      var metric = Options.metric(name.substring(name.indexOf('_') + 1), row.path("options"));
      double tolerance = row.path("tolerance").asDouble();
      assertEquals(row.path("expected").asDouble(), score(metric, row), tolerance, line);
      counts.merge(name, 1, Integer::sum);
    }
    System.out.println("staged translation metrics agree: " + counts);
    assertEquals(54, counts.values().stream().mapToInt(Integer::intValue).sum());
  }

  // The published values are means of bootstrap samples. They are of words that are not stemmed,
  // whatever the data's README says: T5 does not stem. The exact means, and those of stems, are
  // what torchmetrics 1.9.0 gives for these files.
  @Test
  void rouge() throws IOException {
    List<String> predictions = lines("rouge_predictions.txt");
    List<String> targets = lines("rouge_targets.txt");
    JsonNode published = JSON.readTree(folder.resolve("rouge_expected.json").toFile());
    Map<String, double[]> exact =
        Map.of(
            "1", new double[] {38.552552, 40.511563},
            "2", new double[] {22.144908, 24.402109},
            "Lsum", new double[] {38.323119, 40.265146});
    assertEquals(1000, targets.size());
    for (String kind : exact.keySet()) {
      for (boolean stemmed : new boolean[] {false, true}) {
        Tally<Rouge.Score> tally = new Tally<>(new Rouge(kind, stemmed));
        for (int i = 0; i < targets.size(); i++) {
          tally.add(predictions.get(i), List.of(targets.get(i)));
        }
        double[] means = exact.getOrDefault(kind, new double[0]);
        assertEquals(means[stemmed ? 1 : 0], tally.score().f1(), 1e-5, kind);
        if (!stemmed) {
          assertEquals(published.path("rouge" + kind).asDouble(), tally.score().f1(), 0.1, kind);
        }
      }
    }
  }

  @Test
  void others() throws IOException {
    for (String line : lines("other_metrics.jsonl")) {
      JsonNode row = JSON.readTree(line);
      double tolerance = row.path("tolerance").asDouble();
      Map<String, Double> found = other(row);
      for (Map.Entry<String, Double> e : found.entrySet()) {
        double expected = row.path("expected").path(e.getKey()).asDouble(Double.NaN);
        assertEquals(expected, e.getValue(), tolerance, line);
      }
      assertEquals(row.path("expected").size(), found.size());
    }
  }

  private static Map<String, Double> other(JsonNode row) {
    double[] targets = Options.numbers(row.path("targets"));
    double[] given = Options.numbers(row.path(row.has("scores") ? "scores" : "predictions"));
    Confusion confusion = new Confusion(3);
    Correlation correlation = new Correlation();
    Ranking ranking = new Ranking();
    for (int i = 0; i < targets.length; i++) {
      correlation.add(targets[i], given[i]);
      ranking.add(given[i], targets[i] > 0);
      confusion.add((int) targets[i], (int) given[i]);
    }
    String name = row.path("metric").asText();
    return switch (name) {
      case "squad", "trivia_qa" -> {
        Tally<Squad.Score> tally =
            new Tally<>(
                new Squad(name.equals("squad") ? SquadAnswers.SQUAD : SquadAnswers.TRIVIA_QA));
        for (int i = 0; i < row.path("hypotheses").size(); i++) {
          tally.add(
              row.path("hypotheses").get(i).asText(),
              Options.strings(row.path("references").get(i)));
        }
        yield Map.of("em", tally.score().exact(), "f1", tally.score().f1());
      }
      case "matthews_corrcoef" -> Map.of(name, confusion.score().matthews());
      case "macro_f1" -> Map.of(name, 100 * confusion.score().macroF1());
      case "pearson_corrcoef" -> Map.of(name, correlation.score().pearson());
      case "spearman_corrcoef" -> Map.of(name, correlation.score().spearman());
      case "auc" ->
          Map.of("auc-roc", ranking.score().rocAuc(), "auc-pr", ranking.score().averagePrecision());
      default -> throw new AssertionError(name);
    };
  }
}
