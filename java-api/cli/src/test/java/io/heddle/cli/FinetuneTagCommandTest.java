package io.heddle.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The verbs finetune tag and finetune lm on small files made here. */
class FinetuneTagCommandTest {
  private final Path folder;
  private final StringWriter out = new StringWriter();
  private final StringWriter err = new StringWriter();

  FinetuneTagCommandTest(@TempDir Path folder) {
    this.folder = folder;
  }

  private int run(String arguments) {
    out.getBuffer().setLength(0);
    err.getBuffer().setLength(0);
    String[] all = (arguments + " --quiet").replace("@", folder + "/").split(" ");
    return Main.run(new PrintWriter(out), new PrintWriter(err, true), all);
  }

  // "mr" begins a name of two words, "in" stands before a place.
  private static String sentences(int count, long seed) {
    Random random = new Random(seed);
    StringBuilder text = new StringBuilder();
    for (int s = 0; s < count; s++) {
      for (int w = 0; w < 3; w++) {
        String name = "x" + random.nextInt(4);
        switch (random.nextInt(3)) {
          case 0 -> text.append("mr B-PER\n").append(name).append(" I-PER\n");
          case 1 -> text.append("in O\n").append(name).append(" B-LOC\n");
          default -> text.append(name).append(" O\n");
        }
      }
      text.append('\n');
    }
    return text.toString();
  }

  @Test
  void learnsTagsFromTheWordBefore() throws IOException {
    Files.writeString(folder.resolve("train.conll"), sentences(160, 1));
    Files.writeString(folder.resolve("dev.conll"), sentences(40, 2));
    Files.writeString(folder.resolve("new.txt"), "mr\nx1\nin\nx2\n\nx3\n");
    String command =
        "finetune tag --data @ --match *.conll --out @run --tokenizer words --dim 32 --layers 1"
            + " --heads 2 --epochs 20 --batch 16 --lr 0.005 --dropout 0 --max-length 12";
    assertEquals(0, run(command + " --predict @new.txt"), err.toString());
    double f1 =
        new ObjectMapper()
            .readTree(folder.resolve("run/result.json").toFile())
            .path("dev_f1")
            .asDouble();
    assertTrue(f1 > 0.9, out.toString());
    assertTrue(Files.readString(folder.resolve("run/report.html")).contains("F1 of chunks"));
    String tagged = Files.readString(folder.resolve("run/predictions.tsv"));
    assertEquals("mr\tB-PER\nx1\tI-PER\nin\tO\nx2\tB-LOC\n\nx3\tO\n\n", tagged);
    assertEquals(0, run("finetune tag --model @run/model --predict @new.txt"), err.toString());
    assertEquals(tagged, out.toString());
    assertEquals(2, run("finetune tag --data @train.conll"));
  }

  @Test
  void aLanguageModelGoesOnFromAFolder() throws IOException {
    Files.writeString(folder.resolve("a.txt"), "the loom lifts the warp .\n".repeat(60));
    String small =
        " --data @a.txt --seq 16 --batch 2 --steps 3 --eval-every 0 --checkpoint-every 0"
            + " --hold-out 0.2";
    String first = "finetune lm --layers 1 --dim 16 --heads 2 --vocab 270 --out @first" + small;
    assertEquals(0, run(first), err.toString());
    String second = "finetune lm --model @first/model --optimizer nesterov --out @second" + small;
    assertEquals(0, run(second), err.toString());
    assertTrue(out.toString().contains("perplexity"), out.toString());
    assertTrue(Files.exists(folder.resolve("second/model/model.safetensors")));
  }
}
