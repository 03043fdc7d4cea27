package io.heddle.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The verb train recurrent on text of topics, whose rare words come in bursts. */
class TrainRecurrentCommandTest {
  private final Path folder;
  private final StringWriter out = new StringWriter();
  private final StringWriter err = new StringWriter();

  TrainRecurrentCommandTest(@TempDir Path folder) {
    this.folder = folder;
  }

  private int run(String arguments) {
    out.getBuffer().setLength(0);
    err.getBuffer().setLength(0);
    String[] all = (arguments + " --quiet").replace("@", folder + "/").split(" ");
    return Main.run(new PrintWriter(out), new PrintWriter(err, true), all);
  }

  private static String topics(int lines, long seed) {
    Random random = new Random(seed);
    StringBuilder text = new StringBuilder();
    int topic = 0;
    for (int i = 0; i < lines; i++) {
      if (i % 20 == 0) {
        topic = random.nextInt(26);
      }
      text.append("the ").append((char) ('a' + topic)).append(random.nextInt(3)).append('\n');
    }
    return text.toString();
  }

  @Test
  void learnsAndTheCacheHelps() throws IOException {
    Files.writeString(folder.resolve("a.txt"), topics(4000, 1));
    String command =
        "train recurrent --data @a.txt --out @run --vocab 300 --layers 1 --dim 24 --hidden 24"
            + " --drops 0,0,0,0,0 --alpha 0 --beta 0 --bptt 20 --batch 8 --epochs 4 --lr 0.01"
            + " --optimizer adamw --sample 500 --cache-theta 0.3 --cache-lambda 0.2"
            + " --cache-window 200";
    assertEquals(0, run(command), err.toString());
    JsonNode result = new ObjectMapper().readTree(folder.resolve("run/result.json").toFile());
    double plain = result.path("held_perplexity").asDouble();
    double cached = result.path("cached_perplexity").asDouble();
    assertTrue(plain < 4, result.toString());
    assertTrue(cached < 0.97 * plain, result.toString());
    assertTrue(Files.readString(folder.resolve("run/report.html")).contains("with cache"));
    String evaluate =
        "evaluate --model @run/model --data @a.txt --hold-out 0.05 --cache --cache-theta 0.3"
            + " --cache-lambda 0.2 --cache-window 200 --json";
    assertEquals(0, run(evaluate), err.toString());
    double again = new ObjectMapper().readTree(out.toString()).path("perplexity").asDouble();
    assertEquals(cached, again, 1e-9 * cached);
  }

  // Held-out losses of the evaluations, one after each epoch.
  private List<Double> heldLosses() throws IOException {
    List<Double> out = new ArrayList<>();
    for (String line : Files.readAllLines(folder.resolve("run/metrics.jsonl"))) {
      JsonNode node = new ObjectMapper().readTree(line);
      if (node.has("held_loss")) {
        out.add(node.path("held_loss").asDouble());
      }
    }
    return out;
  }

  // What is trained is what is saved: a model that was loaded again has the same perplexity, bit
  // for bit. In whole words, by frequency alone, it would be 17.7 (every second word is one of 78),
  // and 8.8 for who knows when one of them comes; in byte pairs, with line ends, 12.8 and 4.3.
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          5  | --cell lstmp --layers 2 --hidden 40 --projection 16 --clip-cells 3 --clip-outputs 8
          10 | --cell lstm --layers 1 --hidden 24 --words --sampled 30
          10 | --cell lstmp --layers 1 --hidden 40 --words --sampled 30
          10 | --cell lstm --layers 1 --hidden 24 --words --characters --filters 1:8,2:16,3:16
          10 | --cell gru --layers 1 --hidden 24 --words --characters --highways 2 --filters 2:24 --sampled 30
          """)
  void everyKindLearnsAndScoresTheSameWhenLoaded(double below, String kind) throws IOException {
    Files.writeString(folder.resolve("a.txt"), topics(3000, 2));
    String command =
        "train recurrent --data @a.txt --out @run --vocab 300 --dim 24 --drops 0,0,0,0,0 --alpha 0"
            + " --beta 0 --bptt 20 --batch 8 --epochs 6 --lr 0.003 --optimizer adamw --sample 500 "
            + kind;
    assertEquals(0, run(command), err.toString());
    List<Double> losses = heldLosses();
    assertTrue(losses.getLast() < losses.getFirst(), losses.toString());
    JsonNode result = new ObjectMapper().readTree(folder.resolve("run/result.json").toFile());
    double perplexity = result.path("held_perplexity").asDouble();
    assertTrue(perplexity < below, result.toString());
    String evaluate = "evaluate --model @run/model --data @a.txt --hold-out 0.05 --json";
    assertEquals(0, run(evaluate), err.toString());
    double again = new ObjectMapper().readTree(out.toString()).path("perplexity").asDouble();
    assertEquals(perplexity, again);
  }

  @Test
  void aTokenizerThatIsGivenIsNotLearnt() throws IOException {
    Files.writeString(folder.resolve("a.txt"), topics(100, 1));
    assertEquals(1, run("train recurrent --data @a.txt --out @run --words --tokenizer @run"));
    assertTrue(err.toString().contains("--words trains a tokenizer"), err.toString());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          --projection 8                     | are for --cell lstmp
          --cell gru --clip-cells 1          | are for --cell lstmp
          --cell lstmp --projection -1       | cannot be negative
          --cell lstmp --layers 1 --projection 8 | --layers is 1
          --drops 0.1,0.2                    | --drops is [0.1, 0.2]; it takes five
          --drops 0,0,0,0,1                  | from 0 to less than 1
          --sampled 301                      | of the vocabulary
          --sampled -1                       | --sampled is -1
          --filters 3:8                      | --filters is for --characters
          --characters --filters 3           | it takes WIDTH:COUNT
          --characters --filters 51:2        | the width 1 to 50
          --characters --filters 2:4,2:8     | names a width twice
          --characters --character-dim 0     | --character-dim is 0
          """)
  void wrongOptionsAreNamed(String options, String said) throws IOException {
    Files.writeString(folder.resolve("a.txt"), topics(1000, 1));
    String command = "train recurrent --data @a.txt --out @run --vocab 300 --bptt 10 --batch 4 ";
    assertEquals(2, run(command + options));
    assertTrue(err.toString().contains(said), err.toString());
    assertFalse(Files.exists(folder.resolve("run/metrics.jsonl")));
  }
}
