package io.heddle.tests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.autograd.Randomness;
import io.heddle.autograd.Tape;
import io.heddle.backend.Backend;
import io.heddle.backend.Backends;
import io.heddle.checkpoint.SafetensorsFile;
import io.heddle.models.Decoder;
import io.heddle.models.ModelFolder;
import io.heddle.models.Sampler;
import io.heddle.op.Losses;
import io.heddle.tensor.DType;
import io.heddle.tensor.Scope;
import io.heddle.tensor.Tensor;
import io.heddle.train.Optimizer;
import io.heddle.train.TrainConfig;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Models that transformers made (tests/golden/models): logits, loss, every gradient, greedy tokens,
 * ten AdamW losses.
 */
class ModelGoldenTest {
  private static final Path MODELS = Repository.root().resolve("tests/golden/models");
  private static final int BATCH = 2;
  private static final int LENGTH = 24;

  static Stream<Arguments> cases() {
    return BackendsUnderTest.namesAndFar()
        .flatMap(
            backend ->
                Stream.of("gpt_neo", "gpt2", "llama", "llama_untied")
                    .map(model -> Arguments.of(backend, model)));
  }

  @ParameterizedTest(name = "{1} on {0}")
  @MethodSource("cases")
  void logitsLossAndGradients(String backendName, String name) throws IOException {
    try (Backend backend = Backends.open(backendName);
        Decoder model = ModelFolder.load(MODELS.resolve(name), backend, DType.F32);
        SafetensorsFile golden = golden(name);
        Scope scope = new Scope(backend.memory())) {
      model.parameters().trainable();
      try (Tape t = new Tape(backend, true, Randomness.NONE)) {
        Tensor ids = ids(t, golden);
        Tensor hidden = model.hidden(t, ids, BATCH, null);
        close(
            "logits",
            golden.tensor("logits64").toFloats(),
            model.logits(t, hidden).toFloats(),
            1e-4);
        Tensor loss = model.losses(t, hidden, targets(t, golden), 1f / (BATCH * (LENGTH - 1)));
        assertEquals(golden.tensor("loss64").get(0), mean(loss), 1e-4);
        t.backward();
      }
      Map<String, Tensor> gradients = new LinkedHashMap<>();
      model.parameters().byName().forEach((key, value) -> gradients.put(key, value.grad()));
      Map<String, Tensor> named = ModelFolder.named(model.config(), gradients, backend, scope);
      long goldens = golden.entries().stream().filter(e -> e.name().startsWith("grad.")).count();
      assertEquals(goldens, named.size());
      named.forEach(
          (key, grad) ->
              close(key, golden.tensor("grad." + key).toFloats(), grad.toFloats(), 1e-4));
    }
  }

  @ParameterizedTest(name = "{1} on {0}")
  @MethodSource("cases")
  void greedyTokensWithCache(String backendName, String name) throws IOException {
    try (Backend backend = Backends.open(backendName);
        Decoder model = ModelFolder.load(MODELS.resolve(name), backend, DType.F32);
        SafetensorsFile golden = golden(name)) {
      int[] prompt = Arrays.copyOf(ints(golden.tensor("input_ids")), 8);
      int[] out = new Sampler(Sampler.Options.GREEDY).generate(model, prompt, 16, token -> true);
      int[] expected = ints(golden.tensor("greedy_ids"));
      assertArrayEquals(
          expected, Arrays.copyOfRange(out, out.length - expected.length, out.length));
    }
  }

  @ParameterizedTest(name = "{1} on {0}")
  @MethodSource("cases")
  void tenAdamWLosses(String backendName, String name) throws IOException {
    TrainConfig config =
        new TrainConfig(
            10,
            1,
            1e-2f,
            0,
            TrainConfig.Decay.CONSTANT,
            1,
            0.9f,
            0.95f,
            1e-8f,
            0.1f,
            true,
            0,
            0,
            0,
            0,
            0);
    try (Backend backend = Backends.open(backendName);
        Decoder model = ModelFolder.load(MODELS.resolve(name), backend, DType.F32);
        SafetensorsFile golden = golden(name)) {
      model.parameters().trainable();
      double[] expected = golden.tensor("losses64").toDoubles();
      try (Optimizer optimizer = new Optimizer(model.parameters(), config)) {
        for (int step = 0; step < expected.length; step++) {
          model.parameters().zeroGradients();
          try (Tape t = new Tape(backend, true, Randomness.NONE)) {
            Tensor hidden = model.hidden(t, ids(t, golden), BATCH, null);
            Tensor loss = model.losses(t, hidden, targets(t, golden), 1f / (BATCH * (LENGTH - 1)));
            // Adam blows up rounding where gradients are near zero: transformers' own f32 and f64
            // curves part by 5e-5.
            assertEquals(
                expected[step], mean(loss), 1e-3 * Math.abs(expected[step]), "step " + step);
            t.backward();
          }
          optimizer.step(step);
        }
      }
    }
  }

  private static SafetensorsFile golden(String name) throws IOException {
    return SafetensorsFile.open(MODELS.resolve(name).resolve("golden.safetensors"));
  }

  private static int[] ints(Tensor tensor) {
    return Arrays.stream(tensor.toDoubles()).mapToInt(x -> (int) x).toArray();
  }

  private static Tensor ids(Tape t, SafetensorsFile golden) {
    return t.tensor(DType.I32, BATCH * LENGTH).copyFrom(ints(golden.tensor("input_ids")));
  }

  // Hugging Face shifts inside the model: the target of a token is the next one; the last token has
  // none.
  private static Tensor targets(Tape t, SafetensorsFile golden) {
    int[] labels = ints(golden.tensor("labels"));
    int[] shifted = new int[labels.length];
    for (int i = 0; i < labels.length; i++) {
      shifted[i] = (i + 1) % LENGTH == 0 ? Losses.IGNORE : labels[i + 1];
    }
    return t.tensor(DType.I32, BATCH * LENGTH).copyFrom(shifted);
  }

  private static double mean(Tensor losses) {
    return Arrays.stream(losses.toDoubles()).sum() / (BATCH * (LENGTH - 1));
  }

  // Error relative to the largest entry: entries near zero are sums of cancelling terms.
  private static void close(String what, float[] expected, float[] actual, double tolerance) {
    assertEquals(expected.length, actual.length, what);
    double scale = 1e-3;
    double worst = 0;
    for (int i = 0; i < expected.length; i++) {
      scale = Math.max(scale, Math.abs(expected[i]));
      worst = Math.max(worst, Math.abs(expected[i] - (double) actual[i]));
    }
    assertTrue(worst <= tolerance * scale, what + ": error " + worst + " at a scale of " + scale);
  }
}
