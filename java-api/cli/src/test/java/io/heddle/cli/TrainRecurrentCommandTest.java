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
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The verb train recurrent on text of topics, whose rare words come in bursts. */
class TrainRecurrentCommandTest {
  private final Path folder;
  private final StringWriter out = new StringWriter();
  private final StringWriter err = new StringWriter();

  TrainRecurrentCommandTest(@TempDir Path folder) {
    this.folder = folder;
  }

  private int run(String arguments) {
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
    out.getBuffer().setLength(0);
    assertEquals(0, run(evaluate), err.toString());
    double again = new ObjectMapper().readTree(out.toString()).path("perplexity").asDouble();
    assertEquals(cached, again, 1e-9 * cached);
  }
}
