package io.heddle.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code heddle finetune} as a user starts it, in processes of its own. */
@NeedsNative
class FinetuneRunTest {
  private static final int EPOCHS = 12;

  @TempDir Path folder;

  private ProcessBuilder command(Path data, String name, String... more) {
    ProcessBuilder out =
        KilledRun.heddle(
            "finetune",
            "classify",
            "--data",
            data.toString(),
            "--out",
            folder.resolve(name).toString(),
            "--threads",
            "2",
            "--quiet");
    out.command().addAll(List.of(more));
    return out;
  }

  private ProcessBuilder small(Path data, String name) {
    return command(
        data,
        name,
        "--dim",
        "16",
        "--filters",
        "8",
        "--batch",
        "8",
        "--lr",
        "0.003",
        "--patience",
        "50",
        "--epochs",
        String.valueOf(EPOCHS),
        "--average",
        "ema:0.95",
        "--word-dropout",
        "0.2");
  }

  @Test
  void aKilledRunEndsInTheSameBytes() throws Exception {
    Random random = new Random(1);
    StringBuilder text = new StringBuilder();
    for (int i = 0; i < 400; i++) {
      int label = random.nextInt(2);
      text.append(label);
      for (int w = 0; w < 6; w++) {
        text.append(" w").append(random.nextInt(10) + (random.nextInt(3) == 0 ? 5 * label : 0));
      }
      text.append('\n');
    }
    Path data = Files.writeString(folder.resolve("data.txt"), text);
    String expected =
        KilledRun.endsInTheSameBytes(
            name -> small(data, name), folder, "model/model.safetensors", "result.json");
    assertEquals(EPOCHS, expected.lines().filter(l -> l.contains("dev_accuracy")).count());
  }

  // The Stanford Sentiment Treebank's sentences, from nothing; the whole recipe, which reaches
  // more,
  // is in benchmarks/results/finetune.md.
  @Test
  void sentimentIsLearntFromNothing() throws Exception {
    Path data = Repository.data("sst");
    int code =
        command(
                data,
                "sst",
                "--match",
                "*binary*",
                "--batch",
                "50",
                "--epochs",
                "4",
                "--patience",
                "0")
            .start()
            .waitFor();
    assertEquals(0, code);
    assertTrue(accuracy("sst") >= 0.78, "accuracy on the development part: " + accuracy("sst"));
  }

  private double accuracy(String name) throws IOException {
    Path result = folder.resolve(name).resolve("result.json");
    return new ObjectMapper().readTree(result.toFile()).path("dev_accuracy").asDouble();
  }
}
