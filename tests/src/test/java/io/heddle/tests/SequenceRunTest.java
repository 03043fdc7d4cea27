package io.heddle.tests;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Recurrent models as a user trains them, in processes of their own: killed and started again they
 * end in the same bytes, carried states and drawn classes among what goes on.
 */
@NeedsNative
class SequenceRunTest {
  private static final String[] FILES = {"model/model.safetensors", "result.json"};

  @TempDir Path folder;

  private ProcessBuilder heddle(String name, String arguments) {
    String all = arguments + " --out @" + name + " --threads 1 --quiet";
    return KilledRun.heddle(all.replace("@", folder + "/").split(" +"));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "--cell lstmp --hidden 40 --projection 24 --clip-cells 3 --clip-outputs 3 --sampled 50",
        "--cell lstm --hidden 32 --words --characters --filters 1:8,2:16,3:16 --sampled 10"
      })
  void languageModels(String kind) throws IOException, InterruptedException {
    Files.writeString(folder.resolve("text.txt"), SmallRun.text(6000));
    String verb =
        "train recurrent --data @text.txt --vocab 300 --layers 2 --dim 24 --bptt 10 --batch 4"
            + " --epochs 5 --lr 0.01 --optimizer adamw --sample 200 --drops 0.1,0.1,0.1,0.1,0.1 ";
    KilledRun.endsInTheSameBytes(name -> heddle(name, verb + kind), folder, FILES);
  }

  @Test
  void translation() throws IOException, InterruptedException {
    List<String> some = SmallRun.text(4000).lines().filter(line -> !line.isBlank()).toList();
    for (String part : List.of("train", "dev")) {
      List<String> lines = some.subList(0, part.equals("dev") ? 4 : 60);
      Files.write(folder.resolve(part + ".en"), lines);
      Files.write(folder.resolve(part + ".de"), lines.reversed());
    }
    String verb =
        "finetune translate --data @ --family gnmt --layers 2 --dim 24 --vocab 200 --tokens 150"
            + " --epochs 4 --clip 5 --max-length 30";
    String metrics = KilledRun.endsInTheSameBytes(name -> heddle(name, verb), folder, FILES);
    assertTrue(metrics.contains("dev_bleu"), metrics);
  }
}
