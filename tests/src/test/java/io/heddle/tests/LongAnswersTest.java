package io.heddle.tests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.backend.Backend;
import io.heddle.backend.Backends;
import io.heddle.data.PromptedText;
import io.heddle.methods.finetune.FinetuneRun;
import io.heddle.methods.finetune.PromptRows;
import io.heddle.methods.finetune.Writing;
import io.heddle.models.Conversion;
import io.heddle.models.Conversion.PositionMode;
import io.heddle.models.Decoder;
import io.heddle.models.ModelConfig;
import io.heddle.models.ModelFolder;
import io.heddle.progress.ProgressListener;
import io.heddle.tensor.DType;
import io.heddle.text.BpeTrainer;
import io.heddle.text.Tokenizer;
import io.heddle.text.Tokenizers;
import io.heddle.train.RunDirectory;
import io.heddle.train.TrainConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Answers that stand at the beginning of a document, farther from the question than all windows of
 * a model together reach: one full layer finds them, windows alone cannot.
 */
@NeedsNative
class LongAnswersTest {
  private static final String[] COLOURS = {
    "red", "blue", "green", "black", "white", "brown", "pink", "gold"
  };
  private static final String[] WORDS = {
    "the", "loom", "lifts", "a", "warp", "and", "crosses", "weft", "over", "shuttle", "with", "reed"
  };
  private static final List<PromptedText> TEXTS = texts(640);
  private static final Tokenizer TOKENIZER = tokenizer();
  private static final int CONTEXT = 128;
  private static final int BATCH = 16;

  @TempDir Path folder = Path.of("");

  private static List<PromptedText> texts(int count) {
    Random random = new Random(1);
    List<PromptedText> out = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      String colour = COLOURS[random.nextInt(COLOURS.length)];
      StringBuilder text = new StringBuilder("The thread is ").append(colour).append('.');
      for (int w = 0; w < 60; w++) {
        text.append(' ').append(WORDS[random.nextInt(WORDS.length)]);
      }
      out.add(new PromptedText(text.toString(), "Which thread?", List.of(colour)));
    }
    return out;
  }

  private static Tokenizer tokenizer() {
    BpeTrainer trainer = new BpeTrainer(330, ProgressListener.NONE);
    TEXTS.forEach(text -> trainer.add(text.document()));
    return trainer.train();
  }

  private static Decoder model(Backend backend, String schedule) {
    int vocabulary = TOKENIZER.vocabularySize();
    ModelConfig shape = ModelConfig.llama(vocabulary, 32, 2, 2, 2, 64, CONTEXT, schedule);
    return Decoder.random(shape, backend, DType.F32, 1);
  }

  private static Writing task(Decoder model, int train) {
    PromptRows layout = new PromptRows(TOKENIZER, "Answer", CONTEXT, 8, PromptRows.Keep.START);
    List<PromptedText> from = TEXTS.subList(0, train);
    List<PromptedText> dev = TEXTS.subList(TEXTS.size() - 40, TEXTS.size());
    return new Writing(
        "answers", Writing.Kind.ANSWER, model, TOKENIZER, layout, from, dev, BATCH, 40, 1);
  }

  private static TrainConfig loop(long steps) {
    return TrainConfig.of(steps, 3e-3f, 1).every(steps / 2, steps / 2);
  }

  private double f1(Backend backend, String schedule, String name) {
    try (Decoder model = model(backend, schedule)) {
      RunDirectory run = new RunDirectory(folder.resolve(name));
      FinetuneRun.Outcome outcome =
          new FinetuneRun(loop(300), "f1", run, ProgressListener.NONE).run(task(model, 600));
      return outcome.measures().getOrDefault("f1", Double.NaN);
    }
  }

  @Test
  void aFullLayerFindsWhatWindowsDoNot() throws IOException {
    try (Backend backend = Backends.open("cpu")) {
      double mixed = f1(backend, "window:16,full@0", "mixed");
      double windows = f1(backend, "window:16", "windows");
      assertTrue(mixed >= 85, "F1 with one full layer: " + mixed);
      assertTrue(windows <= 35, "F1 of windows alone: " + windows + ", chance is 12.5");

      // What was saved writes what was measured, and converted to a longer context still does.
      Path saved = folder.resolve("mixed/model");
      Tokenizer tokens = Tokenizers.load(saved);
      List<PromptedText> dev = TEXTS.subList(TEXTS.size() - 40, TEXTS.size());
      try (Decoder model = ModelFolder.load(saved, backend, DType.F32);
          Decoder longer = Conversion.convert(model, "", 256, PositionMode.TILE, 1)) {
        for (Decoder one : List.of(model, longer)) {
          PromptRows layout =
              new PromptRows(tokens, "Answer", one.config().context(), 8, PromptRows.Keep.START);
          one.prefill(48);
          List<String> found = Writing.write(one, tokens, layout, dev, 7, ProgressListener.NONE);
          long right = 0;
          for (int i = 0; i < dev.size(); i++) {
            right += found.get(i).equals(dev.get(i).targets().getFirst()) ? 1 : 0;
          }
          assertEquals(mixed, 100.0 * right / dev.size(), 3);
        }
      }
      String report = Files.readString(folder.resolve("mixed/report.html"));
      assertTrue(report.contains("Which thread?"), "examples are in the report");
    }
  }

  @Test
  void aStoppedRunEndsInTheSameCurve() {
    try (Backend backend = Backends.open("cpu")) {
      double[] whole = losses(backend, "whole", Long.MAX_VALUE);
      losses(backend, "parts", 5);
      double[] parts = losses(backend, "parts", Long.MAX_VALUE);
      assertEquals(12, whole.length);
      assertArrayEquals(whole, parts);
    }
  }

  private double[] losses(Backend backend, String name, long stopAt) {
    RunDirectory run = new RunDirectory(folder.resolve(name));
    FinetuneRun[] started = new FinetuneRun[1];
    ProgressListener stopping =
        new ProgressListener() {
          @Override
          public void begin(String task, long total, String unit) {}

          @Override
          public void advance(long done, String note) {
            if (done == stopAt) {
              started[0].stop();
            }
          }

          @Override
          public void end(String note) {}
        };
    try (Decoder model = model(backend, "window:16,full@0")) {
      started[0] = new FinetuneRun(loop(12), "loss", run, stopping);
      FinetuneRun.Outcome outcome = started[0].run(task(model, 96));
      assertEquals(stopAt == Long.MAX_VALUE, outcome.finished());
    }
    if (stopAt != Long.MAX_VALUE) {
      assertFalse(Files.exists(folder.resolve(name).resolve("result.json")));
    }
    return SmallRun.losses(folder.resolve(name));
  }
}
