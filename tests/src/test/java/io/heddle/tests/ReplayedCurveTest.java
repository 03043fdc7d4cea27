package io.heddle.tests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.heddle.backend.Backend;
import io.heddle.backend.BackendOptions;
import io.heddle.backend.Backends;
import io.heddle.data.TokenBatch;
import io.heddle.methods.lm.LanguageModeling;
import io.heddle.methods.lm.LmRun;
import io.heddle.models.Decoder;
import io.heddle.models.ModelConfig;
import io.heddle.op.Losses;
import io.heddle.progress.ProgressListener;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import io.heddle.train.TrainConfig;
import io.heddle.train.Trainer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Steps that are replayed as graphs give the same run, bit for bit, as steps that are not, and
 * steps that cannot be replayed are run.
 */
class ReplayedCurveTest {
  private static final int STEPS = 8;
  private static final int VOCABULARY = 60;
  private static final BackendOptions ONE_THREAD = new BackendOptions(0, 1);

  @TempDir Path folder = Path.of("");

  static Stream<Arguments> runs() {
    return BackendsUnderTest.namesAndFar()
        .filter(name -> !name.equals("reference"))
        .flatMap(name -> Stream.of(DType.F32, DType.BF16).map(d -> Arguments.of(name, d)));
  }

  @ParameterizedTest(name = "{1} on {0}")
  @MethodSource("runs")
  void theSameRun(String name, DType dtype) throws IOException {
    for (boolean capture : new boolean[] {false, true}) {
      try (Backend backend = Backends.open(name, ONE_THREAD)) {
        LmRun run = SmallRun.run(backend, dtype, STEPS, folder.resolve("capture-" + capture));
        run.capture(capture);
        run.run("small", null);
      }
    }
    for (String file : new String[] {"metrics.jsonl", "model/model.safetensors"}) {
      Path plain = folder.resolve("capture-false").resolve(file);
      assertEquals(-1, Files.mismatch(plain, folder.resolve("capture-true").resolve(file)), file);
    }
  }

  /** What a run leaves, and how many of its batches were replayed. */
  @SuppressWarnings("ArrayRecordComponent") // a carrier, never compared
  private record Left(double[] weights, double loss, long replayed) {}

  // One batch a step, of as many tokens as the number in lengths says.
  private static Left train(String name, boolean capture, float dropout, int... lengths) {
    ModelConfig config = ModelConfig.gpt2(VOCABULARY, 32, 2, 2, 40, "window:8,full@1");
    try (Backend backend = Backends.open(name, ONE_THREAD);
        Decoder model = Decoder.random(config.withDropout(dropout), backend, DType.F32, 3)) {
      TrainConfig loop = TrainConfig.of(lengths.length, 1e-2f, 7);
      Trainer trainer = new Trainer(loop, null, ProgressListener.NONE);
      trainer.capture(capture);
      trainer.fit(
          "small",
          model.parameters(),
          number -> batch(number, lengths[(int) number]),
          LanguageModeling.objective(model),
          null);
      double[] weights =
          model.parameters().values().stream()
              .map(Tensor::toDoubles)
              .flatMapToDouble(Arrays::stream)
              .toArray();
      return new Left(weights, trainer.lastLoss(), trainer.replayed());
    }
  }

  private static TokenBatch batch(long number, int tokens) {
    SplittableRandom random = new SplittableRandom(number);
    int[] ids = random.ints(2L * tokens, 0, VOCABULARY).toArray();
    int[] targets = random.ints(2L * tokens, 0, VOCABULARY).toArray();
    if (number == 5) {
      targets[1] = Losses.IGNORE; // another mean: not the same step
    }
    return new TokenBatch(2, ids, targets, null);
  }

  private static void same(String name, long replayed, float dropout, int... lengths) {
    Left plain = train(name, false, dropout, lengths);
    Left captured = train(name, true, dropout, lengths);
    assertEquals(0, plain.replayed);
    assertEquals(replayed, captured.replayed, "replayed of " + Arrays.toString(lengths));
    assertEquals(plain.loss, captured.loss);
    assertArrayEquals(plain.weights, captured.weights, "parameters");
  }

  @ParameterizedTest
  @MethodSource("io.heddle.tests.BackendsUnderTest#namesAndFar")
  void otherShapesRunPlainlyFirst(String name) {
    // The first of each length is run; so is the sixth batch, whose mean is of fewer tokens.
    same(name, 5, 0, 8, 12, 8, 8, 12, 8, 8, 12);
  }

  @ParameterizedTest
  @MethodSource("io.heddle.tests.BackendsUnderTest#namesAndFar")
  void moreShapesThanAreKept(String name) {
    same(name, 0, 0, 4, 6, 8, 10, 12, 4, 6, 8, 10, 12);
  }

  @ParameterizedTest
  @MethodSource("io.heddle.tests.BackendsUnderTest#namesAndFar")
  void dropoutDrawsAnewInEveryReplay(String name) {
    same(name, 4, 0.2f, 8, 8, 8, 8, 8);
  }
}
