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
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The verb finetune translate on six sentences, to be learnt by heart. */
class FinetuneTranslateCommandTest {
  private static final String SOURCE =
      """
      the red dog runs home
      a tall tree stands there
      two children play with sand
      the blue house has windows
      an old man reads books
      she sings in the rain
      """;
  private static final String TARGET =
      """
      der rote Hund läuft heim
      ein hoher Baum steht dort
      zwei Kinder spielen mit Sand
      das blaue Haus hat Fenster
      ein alter Mann liest Bücher
      sie singt in dem Regen
      """;

  private final Path folder;
  private final StringWriter out = new StringWriter();
  private final StringWriter err = new StringWriter();

  FinetuneTranslateCommandTest(@TempDir Path folder) {
    this.folder = folder;
  }

  private int run(String arguments) {
    out.getBuffer().setLength(0);
    err.getBuffer().setLength(0);
    String[] all = (arguments + " --quiet").replace("@", folder + "/").split(" ");
    return Main.run(new PrintWriter(out), new PrintWriter(err, true), all);
  }

  private void write(String name) throws IOException {
    Files.writeString(folder.resolve(name + ".en"), SOURCE);
    Files.writeString(folder.resolve(name + ".de"), TARGET);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "--layers 1 --heads 2 --inner 64 --norms before --norm layer",
        "--layers 1 --heads 2 --inner 64 --norms before --norm scale",
        "--layers 1 --heads 2 --inner 64 --norms after --norm layer --positions learned",
        "--layers 2 --family gnmt --both 1 --clip 5",
        "--layers 2 --family gnmt --both 2 --clip 5"
      })
  void learnsSentencesByHeart(String kind) throws IOException {
    write("train");
    write("val");
    write("test");
    Files.writeString(folder.resolve("new.txt"), "the red dog runs home\nshe sings in the rain\n");
    String command =
        "finetune translate --data @ --out @run --vocab 100 --dim 32"
            + " --tokens 1000 --epochs 100 --eval-every 250 --lr 0.01 --dropout 0"
            + " --max-length 40 "
            + kind;
    assertEquals(0, run(command + " --predict @new.txt"), err.toString());
    JsonNode result = new ObjectMapper().readTree(folder.resolve("run/result.json").toFile());
    assertTrue(result.path("dev_bleu").asDouble() > 90, result.toString());
    assertTrue(result.path("test_bleu").asDouble() > 90, result.toString());
    assertTrue(Files.readString(folder.resolve("run/report.html")).contains("version:2.6.0"));
    assertEquals(6, Files.readAllLines(folder.resolve("run/test.translations.txt")).size());
    String translated = Files.readString(folder.resolve("run/predictions.txt"));
    assertEquals("der rote Hund läuft heim\nsie singt in dem Regen\n", translated);
    assertEquals(
        0, run("finetune translate --model @run/model --predict @new.txt"), err.toString());
    assertEquals(translated, out.toString());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          --family gnmt --heads 4              | --heads does not go with --family gnmt
          --family gnmt --norms after          | --norms does not go with --family gnmt
          --family gnmt --positions learned    | --positions does not go with
          --family gnmt --layers 2 --both 3    | --both is 3; it can be 1 to the 2 of --layers
          --family gnmt --both 0               | --both is 0
          --both 2                             | --both is for --family gnmt
          --model @old --family gnmt           | --family is for a new model, not for one from
          --model @old --layers 2              | --layers is for a new model
          """)
  void wrongOptionsAreNamed(String options, String said) throws IOException {
    write("train");
    assertEquals(2, run("finetune translate --data @ --out @run " + options));
    assertTrue(err.toString().contains(said), err.toString());
    assertFalse(Files.exists(folder.resolve("run")));
  }

  @Test
  void whatIsMissingIsNamed() throws IOException {
    write("train");
    Files.delete(folder.resolve("train.de"));
    assertEquals(2, run("finetune translate --data @"));
    assertEquals(1, run("finetune translate --data @ --out @run"));
    assertTrue(err.toString().contains("train.de"), err.toString());
    Files.writeString(folder.resolve("train.de"), "a\nb\n");
    assertEquals(1, run("finetune translate --data @ --out @run"));
    assertTrue(err.toString().contains("has 2 lines, fewer than"), err.toString());
  }
}
