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
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The verbs finetune summarize and finetune qa on small files made here. */
class FinetuneWritingCommandTest {
  private final Path folder;
  private final StringWriter out = new StringWriter();
  private final StringWriter err = new StringWriter();

  FinetuneWritingCommandTest(@TempDir Path folder) {
    this.folder = folder;
  }

  private int run(String arguments) {
    out.getBuffer().setLength(0);
    err.getBuffer().setLength(0);
    String[] all = (arguments + " --quiet").replace("%", folder + "/").split(" ");
    return Main.run(new PrintWriter(out), new PrintWriter(err, true), all);
  }

  private void examples(String name, int count, String question) throws IOException {
    StringBuilder text = new StringBuilder();
    for (int i = 0; i < count; i++) {
      text.append("{\"document\": \"the warp and weft of loom ")
          .append(i)
          .append("\", ")
          .append(question)
          .append("\"summary\": \"loom\"}\n");
    }
    Files.writeString(folder.resolve(name), text);
  }

  @Test
  void summariesAreLearntSavedAndWritten() throws IOException {
    examples("train.jsonl", 32, "");
    examples("dev.jsonl", 4, "");
    String command =
        "finetune summarize --data %train.jsonl --dev %dev.jsonl --out %run --vocab 300 --dim 32"
            + " --layers 2 --heads 2 --context 128 --schedule window:8,full@0 --batch 8 --epochs 30"
            + " --lr 0.005 --max-target 6 --written 3";
    assertEquals(0, run(command + " --predict %dev.jsonl"), err.toString());
    JsonNode result = new ObjectMapper().readTree(folder.resolve("run/result.json").toFile());
    assertEquals(100, result.path("dev_rougeL").asDouble(), out.toString());
    assertEquals(0, result.path("dev_rouge2").asDouble(), "one word has no pair of words");
    assertTrue(Files.readString(folder.resolve("run/report.html")).contains("What was written"));
    String written = Files.readString(folder.resolve("run/predictions.jsonl"));
    assertEquals("{\"prediction\":\"loom\"}\n".repeat(4), written);

    // The model goes on with another schedule and a longer context, or writes at once.
    assertEquals(
        0, run("finetune summarize --model %run/model --predict %dev.jsonl --max-target 6"));
    assertEquals(written, out.toString());
    String longer =
        "finetune summarize --model %run/model --data %train.jsonl --hold-out 0 --epochs 1"
            + " --context 256 --schedule block:64,full@0 --max-target 6 --out %longer";
    assertEquals(0, run(longer), err.toString());
    JsonNode config =
        new ObjectMapper().readTree(folder.resolve("longer/model/config.json").toFile());
    assertEquals("block:64,full@0", config.path("heddle_schedule").asText());
    assertEquals(256, config.path("max_position_embeddings").asInt());
  }

  @Test
  void questionsOfADocumentStayTogether() throws IOException {
    examples("a.jsonl", 10, "\"question\": \"one?\", ");
    String twice = Files.readString(folder.resolve("a.jsonl"));
    Files.writeString(folder.resolve("a.jsonl"), twice + twice.replace("one?", "two?"));
    String command =
        "finetune qa --data %a.jsonl --target-key summary --hold-out 0.2 --out %run --vocab 300"
            + " --dim 16 --layers 1 --heads 2 --context 128 --epochs 1 --max-target 4";
    assertEquals(0, run(command), err.toString());
    assertTrue(out.toString().contains("16 examples"), out.toString());
    assertTrue(out.toString().contains("development part of 4: exact"), out.toString());
  }

  @Test
  void whatIsMissingIsSaid() throws IOException {
    examples("a.jsonl", 3, "");
    assertEquals(2, run("finetune qa --data %a.jsonl"));
    assertEquals(1, run("finetune qa --data %a.jsonl --out %run --target-key reply"));
    assertTrue(err.toString().contains("no key 'reply' (--target-key)"), err.toString());
    String small = "finetune summarize --data %a.jsonl --out %small --vocab 300 --context 64";
    assertEquals(1, run(small + " --max-target 64"));
    assertTrue(err.toString().contains("do not fit rows of 64"), err.toString());
  }
}
