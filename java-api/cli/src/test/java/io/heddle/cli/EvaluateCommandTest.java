package io.heddle.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.heddle.autograd.Tape;
import io.heddle.backend.Backend;
import io.heddle.backend.Backends;
import io.heddle.models.Decoder;
import io.heddle.models.ModelFolder;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import io.heddle.text.Tokenizer;
import io.heddle.text.Tokenizers;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The verb evaluate: both tasks, as text and as JSON. */
class EvaluateCommandTest {
  private static final String[] STEMS = {"the loom", "the thread", "a warp", "lifts the", "cross"};
  private static final String[] OPTIONS = {"the warp", "thread", "lifts the thread; the loom"};

  private final Path folder;
  private final Path questions;
  private final TinyModel model;

  EvaluateCommandTest(@TempDir Path folder, @TempDir Path questions) throws IOException {
    this.folder = folder;
    this.questions = questions;
    this.model = new TinyModel(folder);
    StringBuilder table = new StringBuilder("Question Stem\tChoices\tAnswer Key\n");
    for (int i = 0; i < STEMS.length; i++) {
      table.append(STEMS[i]).append("\t(A) ").append(OPTIONS[0]);
      table.append(" (B) ").append(OPTIONS[1]).append(" (C) ").append(OPTIONS[2]);
      table.append('\t').append((char) ('A' + i % 3)).append('\n');
    }
    Files.writeString(questions.resolve("weaving.tsv"), table);
    Files.writeString(
        questions.resolve("logic.json"),
        "{\"examples\": [{\"input\": \"not True is\", \"target\": \"False\"},"
            + "{\"input\": \"True is\", \"target\": \"True\"}]}");
  }

  // The log probability of an option, from the logits of the whole text, token by token.
  private static double logProbability(
      Decoder model, Tokenizer tokens, String stem, String option) {
    int[] ids = tokens.encode(stem + " " + option);
    int from = tokens.encode(stem).length;
    double sum = 0;
    try (Tape t = Tape.inference(model.backend())) {
      Tensor in = t.tensor(DType.I32, ids.length).copyFrom(ids);
      double[] logits = model.logits(t, model.hidden(t, in, 1, null)).toDoubles();
      int width = logits.length / ids.length;
      for (int i = from; i < ids.length; i++) {
        double total = 0;
        for (int v = 0; v < width; v++) {
          total += Math.exp(logits[(i - 1) * width + v]);
        }
        sum += logits[(i - 1) * width + ids[i]] - Math.log(total);
      }
    }
    return sum;
  }

  private int[] expectedRight() throws IOException {
    int right = 0;
    int normalised = 0;
    Tokenizer tokens = Tokenizers.load(folder);
    try (Backend backend = Backends.open("reference");
        Decoder decoder = ModelFolder.load(folder, backend, DType.F32)) {
      for (int i = 0; i < STEMS.length; i++) {
        int best = 0;
        int bestByLength = 0;
        double[] scores = new double[OPTIONS.length];
        for (int o = 0; o < OPTIONS.length; o++) {
          scores[o] = logProbability(decoder, tokens, STEMS[i], OPTIONS[o]);
          best = scores[o] > scores[best] ? o : best;
          double most = scores[bestByLength] / OPTIONS[bestByLength].length();
          bestByLength = scores[o] / OPTIONS[o].length() > most ? o : bestByLength;
        }
        right += best == i % 3 ? 1 : 0;
        normalised += bestByLength == i % 3 ? 1 : 0;
      }
    }
    return new int[] {right, normalised};
  }

  @Test
  void choiceIsByLogLikelihoodAndByLength() throws IOException {
    int[] right = expectedRight();
    assertEquals(
        0, model.run("evaluate", "--task", "choice", "--data", questions.toString(), "--json"));
    JsonNode json = new ObjectMapper().readTree(model.out());
    JsonNode weaving = json.at("/subjects/weaving");
    assertEquals(5, weaving.path("questions").asInt());
    assertEquals(right[0] / 5.0, weaving.path("accuracy").asDouble(), 1e-12);
    assertEquals(right[1] / 5.0, weaving.path("normalised_accuracy").asDouble(), 1e-12);
    double p = right[0] / 5.0;
    assertEquals(Math.sqrt(p * (1 - p) / 4), weaving.path("standard_error").asDouble(), 1e-12);
    JsonNode logic = json.at("/subjects/logic");
    assertEquals(7, json.path("questions").asInt());
    assertEquals(
        (5 * p + 2 * logic.path("accuracy").asDouble()) / 7,
        json.path("accuracy").asDouble(),
        1e-12);
    assertEquals(
        (p + logic.path("accuracy").asDouble()) / 2, json.path("mean_accuracy").asDouble(), 1e-12);
  }

  @Test
  void theTableHasARowForEachSubject() {
    assertEquals(0, model.run("evaluate", "--task", "choice", "--data", questions.toString()));
    assertTrue(model.lines().get(1).startsWith("logic "), model.out());
    assertTrue(model.lines().get(2).startsWith("weaving "), model.out());
    assertTrue(model.lines().get(3).startsWith("all questions "), model.out());
    assertTrue(model.lines().get(4).startsWith("mean of subjects "), model.out());
  }

  @Test
  void shotsAndLimitBoundWhatIsAsked() throws IOException {
    String file = questions.resolve("weaving.tsv").toString();
    assertEquals(
        0,
        model.run(
            "evaluate",
            "--task",
            "choice",
            "--data",
            file,
            "--shots",
            "2",
            "--limit",
            "1",
            "--json"));
    JsonNode json = new ObjectMapper().readTree(model.out());
    assertEquals(1, json.path("questions").asInt());
    assertTrue(json.path("standard_error").isNull(), "one question has no deviation");
    assertEquals(1, model.run("evaluate", "--task", "choice", "--data", file, "--shots", "5"));
    assertTrue(model.err().contains("too few for 5 examples"), model.err());
  }

  @Test
  void perplexityIsWhatItWas() throws IOException {
    Path text = folder.resolve("text.txt");
    Files.writeString(text, "the loom lifts the thread\n".repeat(3));
    assertEquals(0, model.run("evaluate", "--data", text.toString(), "--json"));
    JsonNode json = new ObjectMapper().readTree(model.out());
    assertEquals(78, json.path("bytes").asInt());
    double loss = json.path("loss").asDouble();
    assertEquals(Math.exp(loss), json.path("perplexity").asDouble(), 1e-9);
    // A random model knows little more than how many tokens there are.
    assertEquals(Math.log(Tokenizers.load(folder).vocabularySize()), loss, 0.3);
    assertEquals(0, model.run("evaluate", "--task", "perplexity", "--data", text.toString()));
    assertTrue(model.out().contains("78 bytes: loss "), model.out());
    assertEquals(2, model.run("evaluate", "--task", "magic", "--data", text.toString()));
  }
}
