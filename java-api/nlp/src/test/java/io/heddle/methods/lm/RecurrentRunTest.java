package io.heddle.methods.lm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.backend.Backend;
import io.heddle.backend.Backends;
import io.heddle.data.Document;
import io.heddle.models.RecurrentLm;
import io.heddle.nn.RecurrentStack;
import io.heddle.progress.ProgressListener;
import io.heddle.tensor.DType;
import io.heddle.text.BpeTrainer;
import io.heddle.train.Recipe;
import io.heddle.train.RunDirectory;
import io.heddle.train.TrainConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A run with AWD-LSTM's regularisation and NT-ASGD, small, on the reference backend. */
class RecurrentRunTest {
  private static final int STEPS = 12;

  private final Path folder;

  RecurrentRunTest(@TempDir Path folder) {
    this.folder = folder;
  }

  // Stops after `stop` steps; 0 for never.
  private RecurrentRun.Outcome run(String name, int stop) {
    String text = "the loom lifts the warp and the weft runs through it .\n".repeat(12);
    LmData data =
        LmData.of(
            new BpeTrainer(262, ProgressListener.NONE).add(text).train(),
            List.of(new Document("a", text)),
            List.of(new Document("a", text.substring(0, 60))));
    RecurrentLm.Shape shape =
        new RecurrentLm.Shape(
            RecurrentStack.Kind.LSTM,
            data.tokenizer().vocabularySize(),
            4,
            5,
            2,
            new RecurrentLm.Drops(0.1f, 0.1f, 0.1f, 0.1f, 0.2f));
    TrainConfig loop =
        TrainConfig.of(STEPS, 1, 1)
            .every(3, 3)
            .with(
                Recipe.ADAMW
                    .with(new Recipe.Rule.Sgd(0, false))
                    .with(Recipe.Averaging.triggered(1, false)));
    RecurrentRun.Setting setting =
        new RecurrentRun.Setting(
            loop,
            new RecurrentTraining.Setting(3, 8, 2, 1),
            new NeuralCache.Options(20, 0.1, 0.2, false),
            30);
    RecurrentRun[] running = new RecurrentRun[1];
    ProgressListener listener =
        new ProgressListener() {
          @Override
          public void begin(String task, long total, String unit) {}

          @Override
          public void advance(long done, String message) {
            if (done == stop && done > 0) {
              running[0].stop();
            }
          }

          @Override
          public void end(String message) {}
        };
    try (Backend backend = Backends.open("reference");
        RecurrentLm model = RecurrentLm.random(shape, backend, DType.F32, 1)) {
      running[0] =
          new RecurrentRun(model, data, setting, new RunDirectory(folder.resolve(name)), listener);
      return running[0].run("test");
    }
  }

  @Test
  void aStoppedRunGoesOnWithTheStatesItHad() throws IOException {
    RecurrentRun.Outcome whole = run("whole", 0);
    double plain = Objects.requireNonNull(whole.plain()).perplexity();
    assertTrue(Objects.requireNonNull(whole.cached()).perplexity() < plain);
    assertNull(run("parts", 4).plain());
    assertNotNull(run("parts", 0).plain());
    for (String file : List.of("metrics.jsonl", "result.json", "model/model.safetensors")) {
      Path a = folder.resolve("whole").resolve(file);
      assertEquals(-1, Files.mismatch(a, folder.resolve("parts").resolve(file)), file);
    }
    try (Backend backend = Backends.open("reference");
        RecurrentLm again = RecurrentLm.load(folder.resolve("whole/model"), backend, DType.F32)) {
      assertTrue(RecurrentLm.isIn(folder.resolve("whole/model")));
      assertEquals(5, again.shape().hidden());
    }
  }
}
