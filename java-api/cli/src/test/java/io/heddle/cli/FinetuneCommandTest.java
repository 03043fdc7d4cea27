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
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The verb finetune on small files made here, with whatever backend there is. */
class FinetuneCommandTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  private final Path folder;

  private final StringWriter out = new StringWriter();
  private final StringWriter err = new StringWriter();

  FinetuneCommandTest(@TempDir Path folder) {
    this.folder = folder;
  }

  private int run(String arguments) {
    out.getBuffer().setLength(0);
    err.getBuffer().setLength(0);
    String[] all = arguments.replace("@", folder + "/").split(" ");
    return Main.run(new PrintWriter(out), new PrintWriter(err, true), all);
  }

  // A label is told by one of two words that stands somewhere among others.
  private void sentences(String name, String header, String separator, int count, long seed)
      throws IOException {
    Random random = new Random(seed);
    StringBuilder text = new StringBuilder(header);
    for (int i = 0; i < count; i++) {
      boolean good = random.nextBoolean();
      StringBuilder words = new StringBuilder();
      int place = random.nextInt(5);
      for (int w = 0; w < 5; w++) {
        words.append(w > 0 ? " " : "");
        words.append(w == place ? (good ? "fine" : "dull") : "w" + random.nextInt(8));
      }
      text.append(good ? "good" : "bad").append(separator).append(words).append('\n');
    }
    Files.writeString(folder.resolve(name), text);
  }

  private JsonNode json(String file) throws IOException {
    return JSON.readTree(folder.resolve(file).toFile());
  }

  private static final String SMALL =
      " --dim 16 --filters 8 --widths 1,2 --batch 16 --lr 0.02 --quiet";

  @Test
  void learnsSavesReportsAndPredicts() throws IOException {
    sentences("train.csv", "label,text\n", ",", 96, 1);
    sentences("dev.csv", "label,text\n", ",", 40, 2);
    String command = "finetune classify --data @ --match *.csv --out @run --epochs 6" + SMALL;
    Files.writeString(
        folder.resolve("new.jsonl"), "{\"text\":\"w1 fine\"}\n{\"text\":\"dull w2\"}\n");
    assertEquals(0, run(command + " --predict @new.jsonl"), err.toString());
    assertTrue(out.toString().contains("accuracy 1.0000"), out.toString());
    assertEquals(1, json("run/result.json").path("dev_accuracy").asDouble());
    String report = Files.readString(folder.resolve("run/report.html"));
    assertTrue(report.contains("<svg") && report.contains("The surest mistakes"));
    assertTrue(Files.size(folder.resolve("run/events.out.tfevents.heddle")) > 100);
    List<String> said = Files.readAllLines(folder.resolve("run/predictions.jsonl"));
    assertEquals("good", JSON.readTree(said.get(0)).path("label").asText());
    assertEquals("bad", JSON.readTree(said.get(1)).path("label").asText());

    // The saved model alone says the same, and a finished run is not run again.
    assertEquals(0, run("finetune classify --model @run/model --predict @new.jsonl --quiet"));
    assertEquals(String.join("\n", said), out.toString().strip());
    String metrics = Files.readString(folder.resolve("run/metrics.jsonl"));
    assertEquals(0, run(command), err.toString());
    assertEquals(metrics, Files.readString(folder.resolve("run/metrics.jsonl")));
    assertEquals(1, run(command + " --seed 5"));
    assertTrue(err.toString().contains("another configuration"), err.toString());
  }

  @Test
  void pairsGoThroughATransformerWithSegmentsAndAverages() throws IOException {
    Random random = new Random(3);
    StringBuilder text = new StringBuilder("sentence1\tsentence2\tgold_label\n");
    for (int i = 0; i < 128; i++) {
      // Only the side tells: both labels have the same words.
      boolean first = random.nextBoolean();
      String a = "w" + random.nextInt(3) + (first ? " key" : "");
      String b = "w" + random.nextInt(3) + (first ? "" : " key");
      text.append(a + "\t" + b + "\t" + (first ? "first" : "second") + "\n");
    }
    Files.writeString(folder.resolve("pairs.tsv"), text);
    String command =
        "finetune classify --data @pairs.tsv --out @pairs --arch transformer --tokenizer words"
            + " --dim 32 --layers 1 --heads 2 --max-length 16 --epochs 10 --batch 16 --lr 0.005"
            + " --dropout 0 --hold-out 0.25 --patience 0 --average ema:0.9 --watch mcc"
            + " --label-smoothing 0.05 --quiet";
    assertEquals(0, run(command), err.toString());
    assertTrue(json("pairs/result.json").path("dev_accuracy").asDouble() > 0.9, out.toString());
    assertTrue(Files.exists(folder.resolve("pairs/model/config.json")));
    assertEquals(
        "BertForSequenceClassification",
        json("pairs/model/config.json").path("architectures").path(0).asText());

    // A pretrained encoder, here with another head, becomes a classifier of other labels.
    sentences("more.csv", "label,text\n", ",", 32, 4);
    String tuned =
        "finetune classify --data @more.csv --model @pairs/model --out @tuned --epochs 1 --lr 0.001"
            + " --freeze embed.weight --layer-decay 0.5 --optimizer lamb --plateau 1:0.5 --quiet";
    assertEquals(0, run(tuned), err.toString());
    assertEquals("bad", json("tuned/model/config.json").path("id2label").path("0").asText());
  }

  @Test
  void wrongUseIsSaidInOneSentence() throws IOException {
    sentences("train.csv", "label,text\n", ",", 8, 1);
    assertEquals(2, run("finetune classify --data @train.csv"));
    assertTrue(err.toString().contains("--data and --out"), err.toString());
    assertEquals(2, run("finetune"));
    assertTrue(err.toString().contains("classify"), err.toString());
    String command = "finetune classify --data @train.csv --out @x" + SMALL;
    assertEquals(1, run(command + " --watch beauty --hold-out 0.3"));
    assertTrue(err.toString().contains("accuracy, f1, mcc, ece, loss"), err.toString());
    assertEquals(1, run(command.replace("@x", "@y") + " --average ema"));
    assertTrue(err.toString().contains("ema:0.99"), err.toString());
    assertEquals(1, run(command.replace("@x", "@z") + " --freeze nothing"));
    assertTrue(err.toString().contains("filters.1.weight"), err.toString());
    sentences("dev.csv", "label,text\n", ",", 8, 2);
    Files.writeString(folder.resolve("dev.csv"), "label,text\nugly,w1\n");
    assertEquals(1, run(command.replace("@x", "@v") + " --dev @dev.csv"));
    assertTrue(err.toString().contains("'ugly'"), err.toString());
    assertFalse(err.toString().contains("Exception"), err.toString());
  }
}
