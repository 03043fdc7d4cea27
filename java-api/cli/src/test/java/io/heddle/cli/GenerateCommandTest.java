package io.heddle.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The verb generate: what each option changes, seen from outside. */
class GenerateCommandTest {
  private final Path folder;
  private final TinyModel model;

  GenerateCommandTest(@TempDir Path folder) throws IOException {
    this.folder = folder;
    this.model = new TinyModel(folder);
  }

  private List<JsonNode> generate(String... more) throws IOException {
    List<String> arguments = new ArrayList<>(List.of("--prompt", "the loom", "--json"));
    arguments.addAll(List.of(more));
    assertEquals(0, model.run("generate", arguments.toArray(new String[0])), model.err());
    List<JsonNode> out = new ArrayList<>();
    for (String line : model.lines()) {
      out.add(new ObjectMapper().readTree(line));
    }
    return out;
  }

  private static List<Integer> ids(JsonNode line) {
    List<Integer> out = new ArrayList<>();
    line.path("ids").forEach(id -> out.add(id.asInt()));
    return out;
  }

  @Test
  void jsonHasTextIdsAndScores() throws IOException {
    JsonNode line = generate("--max-tokens", "5", "--temperature", "0").getFirst();
    assertEquals(5, ids(line).size());
    assertTrue(line.path("prompt_ids").size() > 0);
    assertTrue(line.path("text").asText().startsWith("the loom"), line.toString());
    assertTrue(line.path("log_probability").asDouble() < 0, line.toString());
    assertTrue(line.path("score").isNumber(), line.toString());
    assertEquals(
        0,
        model.run("generate", "--prompt", "the loom", "--max-tokens", "5", "--temperature", "0"));
    assertEquals(line.path("text").asText(), model.out().replaceFirst("\\R$", ""));
  }

  @Test
  void aSeedGivesTheSameTextAndAnotherSeedAnother() throws IOException {
    String[] one = {"--max-tokens", "12", "--temperature", "1", "--seed", "7"};
    List<Integer> first = ids(generate(one).getFirst());
    assertEquals(first, ids(generate(one).getFirst()));
    one[5] = "8";
    assertNotEquals(first, ids(generate(one).getFirst()));
  }

  /** Filters that leave one token are the greedy choice, whatever the temperature. */
  @Test
  void filtersCutToTheLikeliestToken() throws IOException {
    List<Integer> greedy = ids(generate("--max-tokens", "8", "--temperature", "0").getFirst());
    String[][] filters = {{"--top-k", "1"}, {"--top-p", "1e-9"}, {"--min-p", "1"}};
    for (String[] filter : filters) {
      List<Integer> kept =
          ids(generate("--max-tokens", "8", "--temperature", "2", filter[0], filter[1]).getFirst());
      assertEquals(greedy, kept, filter[0]);
    }
    assertNotEquals(greedy, ids(generate("--max-tokens", "8", "--temperature", "2").getFirst()));
    // A random model is nearly uniform: the typical tokens are not the likeliest ones.
    List<Integer> typical =
        ids(generate("--max-tokens", "8", "--temperature", "1", "--typical-p", "0.01").getFirst());
    assertEquals(8, typical.size());
  }

  @Test
  void samplesAndBeamsComeInNumbersAndInOrder() throws IOException {
    List<JsonNode> samples =
        generate("--max-tokens", "6", "--temperature", "1", "--n-best", "3", "--seed", "2");
    assertEquals(3, samples.size());
    assertEquals(3, new HashSet<>(samples.stream().map(GenerateCommandTest::ids).toList()).size());

    List<JsonNode> beams = generate("--max-tokens", "6", "--beams", "4", "--n-best", "3");
    assertEquals(3, beams.size());
    for (int i = 1; i < 3; i++) {
      assertTrue(
          beams.get(i - 1).path("score").asDouble() >= beams.get(i).path("score").asDouble());
    }
    double greedy =
        generate("--max-tokens", "6", "--temperature", "0")
            .getFirst()
            .path("log_probability")
            .asDouble();
    assertTrue(beams.getFirst().path("log_probability").asDouble() >= greedy - 1e-6);
  }

  /** The score is the log probability over tokens^penalty, or over ((5+tokens)/6)^penalty. */
  @Test
  void lengthPenaltyAndScoringDivideTheLogProbability() throws IOException {
    for (String scoring : new String[] {"huggingface", "gluonnlp"}) {
      JsonNode best =
          generate(
                  "--max-tokens",
                  "6",
                  "--min-tokens",
                  "6",
                  "--beams",
                  "2",
                  "--length-penalty",
                  "2",
                  "--scoring",
                  scoring)
              .getFirst();
      assertEquals(6, ids(best).size());
      double by = scoring.equals("huggingface") ? 36 : Math.pow(11 / 6.0, 2);
      assertEquals(
          best.path("log_probability").asDouble() / by, best.path("score").asDouble(), 1e-5);
    }
    assertEquals(1, model.run("generate", "--prompt", "a", "--beams", "2", "--scoring", "magic"));
    assertTrue(model.err().contains("'magic'; it can be huggingface or gluonnlp"), model.err());
  }

  @Test
  void rulesHoldRepetitionBack() throws IOException {
    List<Integer> ids =
        ids(
            generate("--max-tokens", "20", "--temperature", "0", "--no-repeat-ngram", "1")
                .getFirst());
    assertEquals(ids.size(), new HashSet<>(ids).size(), ids.toString());
    List<Integer> plain = ids(generate("--max-tokens", "20", "--temperature", "0").getFirst());
    assertTrue(new HashSet<>(plain).size() < plain.size(), "else the rule shows nothing");
    List<Integer> held =
        ids(
            generate("--max-tokens", "20", "--temperature", "0", "--repetition-penalty", "50")
                .getFirst());
    assertTrue(new HashSet<>(held).size() > new HashSet<>(plain).size());
  }

  @Test
  void thePromptAndTheContextBoundTheText() throws IOException {
    JsonNode line = generate("--max-tokens", "1000", "--temperature", "1").getFirst();
    int read = line.path("prompt_ids").size();
    assertTrue(ids(line).size() <= TinyModel.CONTEXT - read, line.toString());
  }

  @Test
  void aPartialFolderNeedsTheOption() throws IOException {
    Path config = folder.resolve("config.json");
    String text = Files.readString(config);
    String untied = text.replaceAll("(\"tie_word_embeddings\"\\s*:\\s*)true", "$1false");
    assertNotEquals(text, untied);
    Files.writeString(config, untied);
    assertEquals(1, model.run("generate", "--prompt", "the"));
    assertTrue(
        model.err().contains("has no tensor 'lm_head.weight'; --allow-partial"), model.err());
    assertEquals(0, model.run("generate", "--prompt", "the", "--allow-partial"), model.err());
  }
}
