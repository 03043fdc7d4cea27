package io.heddle.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.autograd.Tape;
import io.heddle.backend.Backend;
import io.heddle.backend.Backends;
import io.heddle.checkpoint.SafetensorsFile;
import io.heddle.models.AutoModel;
import io.heddle.models.Loading;
import io.heddle.models.Model;
import io.heddle.models.ModelFolder;
import io.heddle.models.Resizing;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Whole models with linear layers of eight bits, beside transformers' numbers for the exact ones:
 * packed, transposed and interleaved tensors, encoders, decoders and both.
 */
class Int8ModelTest {
  private static final Path FAMILIES = Repository.root().resolve("tests/golden/families");
  // Of the largest output. A weight is off by 1/254 of its row's largest at most, by a third of
  // that as a rule; some layers of these models add up to a few hundredths.
  private static final double LIMIT = 0.1;

  @TempDir private Path folder;

  static Stream<Arguments> cases() {
    return BackendsUnderTest.namesAndFar()
        .flatMap(
            backend ->
                Stream.of("opt", "gptj", "bloom", "codegen", "qwen3", "mistral", "bert", "t5")
                    .map(name -> Arguments.of(backend, name)));
  }

  private static Model load(String name, Backend backend, DType dtype) {
    return AutoModel.load(FAMILIES.resolve(name), backend, Loading.as(dtype).inEightBits(true));
  }

  @ParameterizedTest(name = "{1} on {0}")
  @MethodSource("cases")
  void outputsAreNear(String backendName, String name) throws IOException {
    try (Backend backend = Backends.open(backendName);
        Model model = load(name, backend, DType.F32);
        SafetensorsFile golden =
            SafetensorsFile.open(FAMILIES.resolve(name).resolve("golden.safetensors"));
        Tape t = Tape.inference(backend)) {
      FamilyRun run = FamilyRun.of(t, model, golden);
      for (Map.Entry<String, float[]> output : run.outputs().entrySet()) {
        float[] expected = golden.tensor(output.getKey()).toFloats();
        float[] actual = run.withoutPadding(output.getValue(), golden);
        double top = 0;
        double worst = 0;
        for (int i = 0; i < expected.length; i++) {
          top = Math.max(top, Math.abs(expected[i]));
          double off = Math.abs(expected[i] - actual[i]);
          worst = off <= worst ? worst : off;
        }
        assertTrue(worst <= LIMIT * top, output.getKey() + ": " + worst / top + " of the largest");
        assertTrue(worst > 0, "eight bits leave a trace, or they are not used");
      }
    }
  }

  @Test
  void linearLayersTakeAQuarter() {
    try (Backend backend = Backends.open("reference");
        Model model = load("qwen3", backend, DType.F32);
        Model exact = AutoModel.load(FAMILIES.resolve("qwen3"), backend, DType.F32)) {
      int rounded = 0;
      for (Tensor p : model.parameters().values()) {
        boolean linear = p.name().matches("layers\\..*\\.(qkv|out|up|down)\\.weight");
        rounded += linear ? 1 : 0;
        assertEquals(linear ? DType.U8 : DType.F32, p.dtype(), p.name());
        assertEquals(exact.parameters().get(p.name()).size(), p.size(), p.name());
      }
      assertEquals(8, rounded);
    }
  }

  @Test
  void whatNeedsExactWeightsIsRefused() {
    try (Backend backend = Backends.open("reference");
        Model model = load("opt", backend, DType.F32)) {
      assertThrows(IllegalStateException.class, () -> ModelFolder.save(model, folder, Map.of()));
      assertThrows(IllegalStateException.class, () -> Resizing.withVocabulary(model, 120).close());
      assertThrows(IllegalStateException.class, () -> model.parameters().trainable());
    }
  }
}
