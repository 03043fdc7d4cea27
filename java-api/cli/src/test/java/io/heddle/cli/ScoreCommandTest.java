package io.heddle.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The verb score, on the example of sacreBLEU's own tests. */
class ScoreCommandTest {
  private static final String SYSTEM =
      "The dog bit the man.\nIt wasn't surprising.\nThe man had just bitten him.\n";
  private static final String FIRST =
      "The dog bit the man.\nIt was not unexpected.\nThe man bit him first.\n";
  private static final String SECOND =
      "The dog had bit the man.\nNo one was surprised.\nThe man had bitten the dog.\n";

  private final Path folder;
  private final StringWriter out = new StringWriter();
  private final StringWriter err = new StringWriter();

  ScoreCommandTest(@TempDir Path folder) {
    this.folder = folder;
  }

  @BeforeEach
  void files() throws IOException {
    Files.writeString(folder.resolve("sys"), SYSTEM);
    Files.writeString(folder.resolve("ref1"), FIRST);
    Files.writeString(folder.resolve("ref2"), SECOND);
  }

  private int run(String... arguments) {
    out.getBuffer().setLength(0);
    err.getBuffer().setLength(0);
    String[] all = new String[arguments.length];
    for (int i = 0; i < all.length; i++) {
      all[i] = arguments[i].replace("@", folder + "/");
    }
    return Main.run(new PrintWriter(out), new PrintWriter(err, true), all);
  }

  @Test
  void scoreAndSignature() {
    assertEquals(0, run("score", "--references", "@ref1", "--references", "@ref2", "@sys"));
    assertEquals(
        "BLEU|nrefs:2|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0 = 48.53"
            + " 82.4/50.0/45.5/37.5 (BP = 0.943 ratio = 0.944 hyp_len = 17 ref_len = 18)",
        out.toString().strip());
    assertEquals("", err.toString());
  }

  @Test
  void severalMetricsAsJson() throws IOException {
    String[] arguments = {
      "score",
      "--metric",
      "ter",
      "--metric",
      "chrf++",
      "--metric",
      "rougeL",
      "--metric",
      "squad",
      "--json",
      "--references",
      "@ref1",
      "@sys"
    };
    assertEquals(0, run(arguments), err.toString());
    var lines = out.toString().lines().toList();
    assertEquals(4, lines.size());
    JsonNode ter = new ObjectMapper().readTree(lines.getFirst());
    assertEquals("TER", ter.path("name").asText());
    assertEquals(3, ter.path("segments").asInt());
    assertTrue(ter.path("signature").asText().contains("tok:tercom"));
    assertEquals("chrF2++", new ObjectMapper().readTree(lines.get(1)).path("name").asText());
  }

  @Test
  void aSystemBesideItsBaseline() throws IOException {
    Files.writeString(folder.resolve("bad"), "The dog.\nNo.\nHim.\n");
    assertEquals(0, run("score", "--bootstrap", "@bad", "--references", "@ref1", "@sys"));
    String line = out.toString().lines().toList().getLast();
    assertTrue(line.matches("baseline .* system .* p = [0-9.]+ .*resamples"), line);
    run("score", "--json", "--bootstrap", "@sys", "--references", "@ref1", "@sys");
    JsonNode test = new ObjectMapper().readTree(out.toString()).path("bootstrap");
    assertEquals(0, test.path("wins").asDouble(-1));
    assertEquals(1000, test.path("samples").asInt());
    assertTrue(test.path("p_value").asDouble() < 0.01, "a difference of zero is no chance");
  }

  @Test
  void everyLine() {
    assertEquals(0, run("score", "--sentences", "--references", "@ref1", "@sys"));
    var lines = out.toString().lines().toList();
    assertEquals("100.0000\tThe dog bit the man.", lines.getFirst());
    assertTrue(lines.getLast().contains("eff:yes"), lines.getLast());
  }

  @Test
  void sentencesWithinALine() throws IOException {
    Files.writeString(folder.resolve("sum"), "b c<n>a d\n");
    Files.writeString(folder.resolve("gold"), "a d<n>b c\n");
    String[] whole = {"score", "--metric", "rougeLsum", "--references", "@gold", "@sum"};
    assertEquals(0, run(whole));
    assertTrue(out.toString().contains("= 40.00"), out.toString());
    String[] cut = {
      "score", "--metric", "rougeLsum", "--newline", "<n>", "--references", "@gold", "@sum"
    };
    assertEquals(0, run(cut));
    assertTrue(out.toString().contains("= 100.00"), out.toString());
  }

  private void fails(String sentence, String... arguments) {
    assertEquals(1, run(arguments));
    assertEquals("heddle: " + sentence.replace("@", folder + "/"), err.toString().strip());
  }

  @Test
  void badInputIsOneSentence() throws IOException {
    Files.writeString(folder.resolve("short"), "One.\n");
    fails(
        "@sys has 3 lines and @short has 1; line by line they belong together",
        "score",
        "--references",
        "@short",
        "@sys");
    byte[] bytes = "One.\nTw?o.\nThree.\n".getBytes(StandardCharsets.UTF_8);
    bytes[7] = (byte) 0xE9;
    Files.write(folder.resolve("latin"), bytes);
    fails("@latin, line 2, is not UTF-8", "score", "--references", "@ref1", "@latin");
    Files.writeString(folder.resolve("empty"), "");
    fails("@empty has no line", "score", "--references", "@ref1", "@empty");
    fails("there is no file '@none'", "score", "--references", "@none", "@sys");
    fails(
        "there is no metric 'blue'; there are bleu, chrf, chrf++, ter, rouge1 to rouge9, rougeL,"
            + " rougeLsum and squad",
        "score",
        "--metric",
        "blue",
        "--references",
        "@ref1",
        "@sys");
    assertEquals(2, run("score", "@sys"));
    assertTrue(err.toString().contains("--references"), err.toString());
  }
}
