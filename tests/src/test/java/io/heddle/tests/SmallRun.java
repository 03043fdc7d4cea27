package io.heddle.tests;

import io.heddle.backend.Backend;
import io.heddle.data.Document;
import io.heddle.methods.lm.LmConfig;
import io.heddle.methods.lm.LmData;
import io.heddle.methods.lm.LmRun;
import io.heddle.models.ModelConfig;
import io.heddle.progress.ProgressListener;
import io.heddle.tensor.DType;
import io.heddle.text.BpeTrainer;
import io.heddle.text.Tokenizer;
import io.heddle.train.RunDirectory;
import io.heddle.train.TrainConfig;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;

/** A small language-modelling run: a mixed-attention decoder on a text made here. */
final class SmallRun {
  static final int LENGTH = 72;

  private static final LmData DATA = data();

  private SmallRun() {}

  static Tokenizer tokenizer() {
    return DATA.tokenizer();
  }

  /** Words of a small grammar, the same every time: enough to be learnt. */
  static String text(int count) {
    Random random = new Random(1);
    String[] words = {
      "warp", "weft", "heddle", "shuttle", "loom", "thread", "lifts", "crosses", "the", "a"
    };
    StringBuilder out = new StringBuilder();
    for (int i = 0; i < count; i++) {
      out.append(words[random.nextInt(words.length)]).append(i % 9 == 8 ? ".\n" : " ");
    }
    return out.toString();
  }

  private static LmData data() {
    String text = text(4000);
    int cut = text.indexOf('\n', text.length() * 9 / 10) + 1;
    Tokenizer tokenizer =
        new BpeTrainer(300, ProgressListener.NONE).add(text.substring(0, cut)).train();
    return LmData.of(
        tokenizer,
        List.of(new Document("text", text.substring(0, cut))),
        List.of(new Document("text", text.substring(cut))));
  }

  /**
   * Trains in {@code folder}, or goes on there.
   *
   * @param start a model folder, or null for a random model
   */
  static LmRun.Outcome train(Backend backend, DType dtype, long steps, Path folder, Path start) {
    return run(backend, dtype, steps, folder).run("small", start);
  }

  /** The run of {@link #train}, not begun. */
  static LmRun run(Backend backend, DType dtype, long steps, Path folder) {
    int vocabulary = DATA.tokenizer().vocabularySize();
    ModelConfig shape = ModelConfig.llama(vocabulary, 64, 3, 4, 2, 96, LENGTH, "window:20,full@1");
    TrainConfig base = TrainConfig.of(steps, 3e-3f, 5);
    TrainConfig loop =
        new TrainConfig(
            base.steps(),
            2,
            base.learningRate(),
            base.warmup(),
            base.decay(),
            base.finalRate(),
            base.beta1(),
            base.beta2(),
            base.eps(),
            base.weightDecay(),
            base.decayAll(),
            base.clip(),
            base.seed(),
            4,
            3,
            3);
    LmConfig config = new LmConfig(shape, dtype, loop, LENGTH, 3, 0.1, LENGTH / 2);
    return new LmRun(config, DATA, backend, new RunDirectory(folder), ProgressListener.NONE);
  }

  /** The losses of a run, in the order of its steps. */
  static double[] losses(Path folder) {
    return new RunDirectory(folder)
        .lines("metrics.jsonl").stream()
            .filter(line -> line.has("loss"))
            .mapToDouble(line -> line.get("loss").asDouble())
            .toArray();
  }
}
