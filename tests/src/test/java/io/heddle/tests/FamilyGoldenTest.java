package io.heddle.tests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.autograd.Randomness;
import io.heddle.autograd.Tape;
import io.heddle.backend.Backend;
import io.heddle.backend.Backends;
import io.heddle.checkpoint.SafetensorsFile;
import io.heddle.models.AutoModel;
import io.heddle.models.Decoder;
import io.heddle.models.Model;
import io.heddle.models.ModelFolder;
import io.heddle.models.Sampler;
import io.heddle.models.Translator;
import io.heddle.tensor.DType;
import io.heddle.tensor.Scope;
import io.heddle.tensor.Tensor;
import io.heddle.train.Optimizer;
import io.heddle.train.TrainConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every model family beside transformers (tests/golden/families): outputs of a padded batch, loss,
 * every gradient, greedy tokens with cache, five AdamW losses, and a folder that is written back
 * with the same bytes. With HEDDLE_RENEW_DOCS set it writes the table of docs/models.md.
 */
class FamilyGoldenTest {
  private static final Path FAMILIES = Repository.root().resolve("tests/golden/families");
  private static final double LIMIT = 1e-4;
  private static final double CURVE_LIMIT = 1e-3;
  private static final ParityTable TABLE = new ParityTable();

  @TempDir private Path temporary;

  static Stream<Arguments> cases() throws IOException {
    List<String> names;
    try (Stream<Path> all = Files.list(FAMILIES)) {
      names = all.map(p -> p.getFileName().toString()).sorted().toList();
    }
    return BackendsUnderTest.namesAndFar()
        .flatMap(backend -> names.stream().map(name -> Arguments.of(backend, name)));
  }

  static Stream<Arguments> writers() throws IOException {
    return cases()
        .filter(
            c ->
                Files.exists(FAMILIES.resolve(c.get()[1].toString()).resolve("config.json"))
                    && generates(c.get()[1].toString()));
  }

  private static boolean generates(String name) {
    try (SafetensorsFile golden = golden(name)) {
      return golden.entries().stream().anyMatch(e -> e.name().equals("greedy_ids"));
    } catch (IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }

  @ParameterizedTest(name = "{1} on {0}")
  @MethodSource("cases")
  void outputsLossAndGradients(String backendName, String name) throws IOException {
    try (Backend backend = Backends.open(backendName);
        Model model = AutoModel.load(FAMILIES.resolve(name), backend, DType.F32);
        SafetensorsFile golden = golden(name);
        Scope scope = new Scope(backend.memory())) {
      model.parameters().trainable();
      try (Tape t = new Tape(backend, true, Randomness.NONE)) {
        FamilyRun run = FamilyRun.of(t, model, golden);
        double worst = 0;
        for (Map.Entry<String, float[]> output : run.outputs().entrySet()) {
          float[] expected = golden.tensor(output.getKey()).toFloats();
          float[] actual = run.withoutPadding(output.getValue(), golden);
          worst = Math.max(worst, close(output.getKey(), expected, actual));
        }
        TABLE.put(backendName, name, ParityTable.FORWARD, worst, LIMIT);
        assertEquals(golden.tensor("loss").get(0), run.loss(), 1e-4, "loss");
        t.backward();
      }
      Map<String, Tensor> gradients = new LinkedHashMap<>();
      for (Tensor p : model.parameters().unfrozen()) {
        gradients.put(p.name(), p.grad());
      }
      Map<String, Tensor> named = ModelFolder.named(model.config(), gradients, backend, scope);
      long goldens = golden.entries().stream().filter(e -> e.name().startsWith("grad.")).count();
      assertEquals(goldens, named.size(), "gradients");
      double worst = 0;
      for (Map.Entry<String, Tensor> e : named.entrySet()) {
        float[] expected = golden.tensor("grad." + e.getKey()).toFloats();
        worst = Math.max(worst, close(e.getKey(), expected, e.getValue().toFloats()));
      }
      TABLE.put(backendName, name, ParityTable.GRADIENT, worst, LIMIT);
    }
  }

  @ParameterizedTest(name = "{1} on {0}")
  @MethodSource("writers")
  void greedyTokensWithCache(String backendName, String name) throws IOException {
    try (Backend backend = Backends.open(backendName);
        Model model = AutoModel.load(FAMILIES.resolve(name), backend, DType.F32);
        SafetensorsFile golden = golden(name)) {
      int[] prompt = Arrays.copyOf(FamilyRun.ints(golden.tensor("input_ids")), 8);
      int[] expected = FamilyRun.ints(golden.tensor("greedy_ids"));
      int[] out =
          switch (model) {
            case Decoder decoder -> {
              int[] all =
                  new Sampler(Sampler.Options.GREEDY)
                      .generate(decoder, prompt, expected.length, token -> true);
              yield Arrays.copyOfRange(all, prompt.length, all.length);
            }
            case Translator translator ->
                translator.generate(
                    prompt,
                    FamilyRun.startToken(translator),
                    expected.length,
                    Sampler.Options.GREEDY,
                    token -> true);
            default -> throw new AssertionError(name + " does not write");
          };
      assertArrayEquals(expected, out);
      TABLE.put(backendName, name, ParityTable.GENERATION, 0, 0);
    }
  }

  @ParameterizedTest(name = "{1} on {0}")
  @MethodSource("cases")
  void lossInBf16(String backendName, String name) throws IOException {
    try (Backend backend = Backends.open(backendName);
        Model model = AutoModel.load(FAMILIES.resolve(name), backend, DType.BF16);
        SafetensorsFile golden = golden(name)) {
      model.parameters().trainable();
      try (Tape t = new Tape(backend, true, Randomness.NONE)) {
        double expected = golden.tensor("loss").get(0);
        // bf16 keeps 8 bits; the weights are large and the models two or three layers deep.
        assertEquals(expected, FamilyRun.of(t, model, golden).loss(), 0.03 * expected);
        t.backward();
      }
      for (Tensor p : model.parameters().unfrozen()) {
        double size = Arrays.stream(p.grad().toDoubles()).map(Math::abs).sum();
        assertTrue(Double.isFinite(size), p.name());
      }
    }
  }

  @ParameterizedTest(name = "{1} on {0}")
  @MethodSource("cases")
  void fiveAdamWLosses(String backendName, String name) throws IOException {
    TrainConfig config =
        new TrainConfig(
            5,
            1,
            1e-2f,
            0,
            TrainConfig.Decay.CONSTANT,
            1,
            0.9f,
            0.95f,
            1e-6f,
            0.1f,
            true,
            0,
            0,
            0,
            0,
            0);
    try (Backend backend = Backends.open(backendName);
        Model model = AutoModel.load(FAMILIES.resolve(name), backend, DType.F32);
        SafetensorsFile golden = golden(name)) {
      model.parameters().trainable();
      double[] expected = golden.tensor("losses").toDoubles();
      double worst = 0;
      try (Optimizer optimizer = new Optimizer(model.parameters(), config)) {
        for (int step = 0; step < expected.length; step++) {
          model.parameters().zeroGradients();
          try (Tape t = new Tape(backend, true, Randomness.NONE)) {
            double error = Math.abs(FamilyRun.of(t, model, golden).loss() - expected[step]);
            worst = Math.max(worst, error / Math.abs(expected[step]));
            t.backward();
          }
          optimizer.step(step);
        }
      }
      assertTrue(worst <= CURVE_LIMIT, "relative error " + worst);
      TABLE.put(backendName, name, ParityTable.CURVE, worst, CURVE_LIMIT);
    }
  }

  @ParameterizedTest(name = "{1} on {0}")
  @MethodSource("cases")
  void savedFolderHoldsTheSameBytes(String backendName, String name) throws IOException {
    try (Backend backend = Backends.open(backendName);
        Model model = AutoModel.load(FAMILIES.resolve(name), backend, DType.F32)) {
      // HEDDLE_SAVED keeps the folders, for tests/golden/back.py.
      String kept = System.getenv("HEDDLE_SAVED");
      Path folder = kept == null ? temporary : Path.of(kept).resolve(name);
      ModelFolder.save(model, folder, Map.of());
      try (SafetensorsFile first =
              SafetensorsFile.open(FAMILIES.resolve(name).resolve("model.safetensors"));
          SafetensorsFile second = SafetensorsFile.open(folder.resolve("model.safetensors"))) {
        List<String> names = new ArrayList<>(first.entries().stream().map(e -> e.name()).toList());
        // Sines are no weights: transformers makes Pegasus' anew where a file has none.
        names.removeIf(n -> name.equals("pegasus") && n.endsWith("embed_positions.weight"));
        assertEquals(
            names.stream().sorted().toList(),
            second.entries().stream().map(e -> e.name()).sorted().toList());
        for (String each : names) {
          Tensor a = first.tensor(each);
          Tensor b = second.tensor(each);
          assertArrayEquals(a.shape(), b.shape(), each);
          assertArrayEquals(a.toFloats(), b.toFloats(), each);
        }
      }
      try (Model again = AutoModel.load(folder, backend, DType.F32)) {
        assertEquals(model.config(), again.config());
      }
      TABLE.put(backendName, name, ParityTable.ROUND_TRIP, 0, 0);
    }
  }

  @AfterAll
  static void writeTable() throws IOException {
    // The committed page is renewed on demand: other machines round otherwise.
    boolean renew = System.getenv("HEDDLE_RENEW_DOCS") != null;
    TABLE.write(Repository.root().resolve(renew ? "docs/models.md" : "tests/target/models.md"));
  }

  private static SafetensorsFile golden(String name) throws IOException {
    return SafetensorsFile.open(FAMILIES.resolve(name).resolve("golden.safetensors"));
  }

  // Error relative to the largest entry: entries near zero are sums of cancelling terms. Some
  // gradients are zero but for rounding (a key's bias, a bias before a softmax over rows).
  private static double close(String what, float[] expected, float[] actual) {
    assertEquals(expected.length, actual.length, what);
    double scale = 1e-2;
    double worst = 0;
    for (int i = 0; i < expected.length; i++) {
      scale = Math.max(scale, Math.abs(expected[i]));
      worst = Math.max(worst, Math.abs(expected[i] - (double) actual[i]));
    }
    assertTrue(worst <= LIMIT * scale, what + ": error " + worst + " at a scale of " + scale);
    return worst / scale;
  }
}
