package io.heddle.methods.pretrain;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.GoldenFolder;
import io.heddle.autograd.Randomness;
import io.heddle.autograd.Tape;
import io.heddle.backend.Backend;
import io.heddle.backend.Backends;
import io.heddle.data.MaskedTokens;
import io.heddle.data.SpanCorruption;
import io.heddle.models.AutoModel;
import io.heddle.models.Encoder;
import io.heddle.models.Model;
import io.heddle.models.Translator;
import io.heddle.op.Losses;
import io.heddle.progress.ProgressListener;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import io.heddle.train.Objective;
import io.heddle.train.TrainConfig;
import io.heddle.train.Trainer;
import java.util.Arrays;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.LongFunction;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Each objective on a tiny model of its family: the loss by hand, and that it is learnt. */
class PretrainingTest {
  private static final int VOCABULARY = 99;
  private static final int MASK = 4;
  private static final int LENGTH = 12;
  private static final int ROWS = 4;

  private final Backend backend = Backends.open("reference");

  @AfterEach
  void close() {
    backend.close();
  }

  private Model load(String family) {
    return AutoModel.load(GoldenFolder.of("families/" + family), backend, DType.F32);
  }

  // Rows of a language with little to learn: each token is followed by the next one.
  private static int[][] rows(long number) {
    Random random = new Random(number);
    int[][] rows = new int[ROWS][LENGTH];
    for (int[] row : rows) {
      int first = random.nextInt(10);
      Arrays.setAll(row, i -> 10 + (first + i) % 10);
    }
    return rows;
  }

  private static MaskedLanguage.Batch masked(long number) {
    MaskedTokens rule = new MaskedTokens(MASK, 30, Set.of(0), 0.2, null, 1);
    return MaskedLanguage.Batch.of(rule, rows(number), null, number * ROWS);
  }

  private <B> double[] losses(Model model, LongFunction<B> batches, Objective<B> objective) {
    TrainConfig config =
        new TrainConfig(
            40,
            1,
            1e-2f,
            0,
            TrainConfig.Decay.CONSTANT,
            1,
            0.9f,
            0.95f,
            1e-8f,
            0,
            false,
            1,
            1,
            0,
            0,
            0);
    double before;
    try (Tape t = Tape.inference(backend)) {
      before = objective.run(t, batches.apply(1000), 0).mean();
    }
    new Trainer(config, null, ProgressListener.NONE)
        .fit("pretrain", model.parameters(), batches, objective, null);
    try (Tape t = Tape.inference(backend)) {
      return new double[] {before, objective.run(t, batches.apply(1000), 0).mean()};
    }
  }

  @Test
  void hiddenTokensAreLearnt() {
    try (Encoder model = (Encoder) load("roberta")) {
      double[] losses = losses(model, PretrainingTest::masked, MaskedLanguage.objective(model));
      assertTrue(losses[1] < 0.5 * losses[0], Arrays.toString(losses));
    }
  }

  @Test
  void theLossIsTheMeanOfTheHiddenTokens() {
    try (Encoder model = (Encoder) load("roberta");
        Tape t = Tape.inference(backend)) {
      MaskedLanguage.Batch batch = masked(3);
      Objective.Loss loss = MaskedLanguage.objective(model).run(t, batch, 0);
      double[] logits = model.outputs(t, "head", model.hidden(t, batch.rows()), ROWS).toDoubles();
      double sum = 0;
      int count = 0;
      for (int i = 0; i < batch.targets().length; i++) {
        if (batch.targets()[i] != Losses.IGNORE) {
          count++;
          double total = 0;
          for (int v = 0; v < VOCABULARY; v++) {
            total += Math.exp(logits[i * VOCABULARY + v]);
          }
          sum += Math.log(total) - logits[i * VOCABULARY + batch.targets()[i]];
        }
      }
      assertEquals(ROWS * 2, count, "round(0.2 * 12) of each row");
      assertEquals(count, loss.count());
      assertEquals(sum / count, loss.mean(), 1e-5);
    }
  }

  private Map<String, float[]> gradients(Encoder model, Objective<MaskedLanguage.Batch> objective) {
    model.parameters().trainable();
    try (Tape t = new Tape(backend, true, new Randomness(1, 1))) {
      objective.run(t, masked(3), 1);
      t.backward();
    }
    Map<String, float[]> out = new TreeMap<>();
    model.parameters().byName().forEach((name, p) -> out.put(name, gradient(p)));
    return out;
  }

  private static float[] gradient(Tensor parameter) {
    return Objects.requireNonNull(parameter.grad()).toFloats();
  }

  // The vocabulary is reached from hidden places alone; what is learnt is what all places, most of
  // them without a target, would teach.
  @Test
  void gradientsReachTheWholeEncoder() {
    try (Encoder model = (Encoder) load("roberta")) {
      Objective<MaskedLanguage.Batch> everywhere =
          (t, batch, gradScale) -> {
            Tensor targets = t.tensor(DType.I32, batch.targets().length).copyFrom(batch.targets());
            float scale = gradScale / Losses.scored(batch.targets());
            Tensor hidden = model.hidden(t, batch.rows());
            Tensor losses = MaskedLanguage.head(model, "head").losses(t, hidden, targets, scale);
            return new Objective.Loss(Losses.sum(losses), 1);
          };
      Map<String, float[]> expected = gradients(model, everywhere);
      Map<String, float[]> found = gradients(model, MaskedLanguage.objective(model));
      expected.forEach((name, g) -> assertArrayEquals(g, found.get(name), 1e-5f, name));
      String inner = "layers.0.qkv.weight";
      float[] deep = Objects.requireNonNull(found.get(inner), found.keySet().toString());
      assertTrue(IntStream.range(0, deep.length).anyMatch(i -> deep[i] != 0), inner);
    }
  }

  @Test
  void spansAreLearnt() {
    SpanCorruption rule = new SpanCorruption(VOCABULARY, 1, 0.25, 2, 1);
    try (Translator model = (Translator) load("t5")) {
      double[] losses =
          losses(
              model,
              number -> SpanDenoising.Batch.of(rule, rows(number), 0, number * ROWS),
              SpanDenoising.objective(model));
      assertTrue(losses[1] < 0.5 * losses[0], Arrays.toString(losses));
    }
  }

  @Test
  void spansOfUnequalRowsArePadded() {
    SpanCorruption rule = new SpanCorruption(VOCABULARY, 1, 0.25, 2, 1);
    int[][] rows = {{5, 6, 7, 8, 9, 10, 11, 12}, {5, 6}};
    SpanDenoising.Batch batch = SpanDenoising.Batch.of(rule, rows, 0, 0);
    SpanCorruption.Pair shorter = rule.corrupt(rows[1], 1);
    int longest = rule.corrupt(rows[0], 0).input().length;
    assertEquals(longest, batch.source()[1].length);
    assertArrayEquals(shorter.input(), Arrays.copyOf(batch.source()[1], shorter.input().length));
    assertEquals(shorter.input().length, Arrays.stream(batch.mask()[1]).sum());
    int width = batch.before()[0].length;
    assertEquals(0, batch.before()[1][0], "the start token");
    for (int i = 0; i < width; i++) {
      int target = batch.targets()[width + i];
      boolean written = i < shorter.target().length;
      assertEquals(written ? shorter.target()[i] : Losses.IGNORE, target);
      if (written && i + 1 < width) {
        assertEquals(target, batch.before()[1][i + 1], "the decoder reads what came before");
      }
    }
  }

  @Test
  void replacedTokensAreMarkedAndLearnt() {
    try (Encoder generator = (Encoder) load("electra_generator");
        Encoder discriminator = (Encoder) load("electra")) {
      for (int number = 0; number < 5; number++) {
        int[][] rows = rows(number);
        MaskedLanguage.Batch masked = masked(number);
        ReplacedTokens.Batch batch = ReplacedTokens.replaced(generator, masked, 2, number);
        for (int i = 0; i < ROWS * LENGTH; i++) {
          int own = rows[i / LENGTH][i % LENGTH];
          int read = batch.rows().ids()[i / LENGTH][i % LENGTH];
          boolean hidden = masked.targets()[i] != Losses.IGNORE;
          assertEquals(hidden && read != own ? 1 : 0, batch.targets()[i]);
          assertTrue(hidden || read == own, "only hidden places change");
        }
        assertArrayEquals(
            batch.targets(), ReplacedTokens.replaced(generator, masked, 2, number).targets());
      }
      double[] losses =
          losses(
              discriminator,
              number -> ReplacedTokens.replaced(generator, masked(number), 2, number),
              ReplacedTokens.objective(discriminator));
      assertTrue(losses[1] < 0.8 * losses[0], Arrays.toString(losses));
    }
  }

  @Test
  void paddingIsNotAsked() {
    try (Encoder generator = (Encoder) load("electra_generator");
        Encoder discriminator = (Encoder) load("electra");
        Tape t = Tape.inference(backend)) {
      int[][] rows = {{10, 11, 12, 13}, {10, 11, 0, 0}};
      int[][] mask = {{1, 1, 1, 1}, {1, 1, 0, 0}};
      MaskedTokens rule = new MaskedTokens(MASK, 30, Set.of(0), 0.3, null, 1);
      ReplacedTokens.Batch batch =
          ReplacedTokens.replaced(generator, MaskedLanguage.Batch.of(rule, rows, mask, 0), 2, 0);
      assertEquals(Losses.IGNORE, batch.targets()[6]);
      Objective.Loss loss = ReplacedTokens.objective(discriminator).run(t, batch, 0);
      assertEquals(6, loss.count());
      double[] logits =
          discriminator
              .outputs(t, "replaced", discriminator.hidden(t, batch.rows()), 2)
              .toDoubles();
      double sum = 0;
      for (int i = 0; i < 6; i++) {
        sum += Math.log1p(Math.exp(batch.targets()[i] == 1 ? -logits[i] : logits[i]));
      }
      assertEquals(sum / 6, loss.mean(), 1e-5);
    }
  }

  /** A place is drawn in proportion to the generator's probabilities. */
  @Test
  void drawsFollowTheDistribution() {
    float[] logits = {9, (float) Math.log(1), (float) Math.log(2), (float) Math.log(5), 9};
    assertEquals(0, ReplacedTokens.draw(logits, 1, 3, 0));
    assertEquals(0, ReplacedTokens.draw(logits, 1, 3, 0.124));
    assertEquals(1, ReplacedTokens.draw(logits, 1, 3, 0.126));
    assertEquals(1, ReplacedTokens.draw(logits, 1, 3, 0.374));
    assertEquals(2, ReplacedTokens.draw(logits, 1, 3, 0.376));
    assertEquals(2, ReplacedTokens.draw(logits, 1, 3, 0.9999999));
  }

  @Test
  void aModelWithoutTheHeadIsNamed() {
    try (Encoder model = (Encoder) load("bert_token");
        Tape t = Tape.inference(backend)) {
      String message =
          assertThrows(
                  IllegalArgumentException.class,
                  () -> MaskedLanguage.objective(model).run(t, masked(0), 0))
              .getMessage();
      assertTrue(String.valueOf(message).contains("no head 'head'; it has [tokens]"), message);
    }
  }
}
