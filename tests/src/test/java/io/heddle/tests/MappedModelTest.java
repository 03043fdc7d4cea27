package io.heddle.tests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.heddle.autograd.Tape;
import io.heddle.backend.Backend;
import io.heddle.backend.Backends;
import io.heddle.models.AutoModel;
import io.heddle.models.Decoder;
import io.heddle.models.Loading;
import io.heddle.models.ModelConfig;
import io.heddle.models.ModelFolder;
import io.heddle.nn.Parameters;
import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.tensor.DType;
import io.heddle.tensor.Scope;
import io.heddle.tensor.Tensor;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Parameters that are read where the file was mapped: no copy, same numbers, never written. */
class MappedModelTest {
  private static final int[] IDS = {1, 5, 2, 30, 7};

  @TempDir private Path folder = Path.of("");

  private void save(ModelConfig shape) {
    try (Backend backend = Backends.open("reference");
        Decoder model = Decoder.random(shape, backend, DType.F32, 5)) {
      ModelFolder.save(model, folder, Map.of());
    }
  }

  @BeforeEach
  void saveSmall() {
    save(ModelConfig.llama(64, 16, 2, 2, 1, 24, 64, "full"));
  }

  private Decoder load(Backend backend, Loading how) {
    return (Decoder) AutoModel.load(folder, backend, how);
  }

  private static float[] logits(Decoder model) {
    try (Tape t = Tape.inference(model.backend())) {
      Tensor in = t.tensor(DType.I32, IDS.length).copyFrom(IDS);
      return model.logits(t, model.hidden(t, in, 1, null)).toFloats();
    }
  }

  @ParameterizedTest
  @MethodSource("io.heddle.tests.BackendsUnderTest#namesAndFar")
  void theNumbersAreThose(String name) {
    try (Backend backend = Backends.open(name);
        Decoder copied = load(backend, Loading.as(DType.F32));
        Decoder mapped = load(backend, Loading.as(DType.F32).mapped(true));
        Decoder narrow = load(backend, Loading.as(DType.BF16).mapped(true))) {
      assertArrayEquals(logits(copied), logits(mapped));
      assertEquals(0, copied.parameters().mappedBytes());
      assertEquals(0, narrow.parameters().mappedBytes(), "the file holds another type");
      boolean far = copied.parameters().get("embed.weight").storage().device() >= 0;
      assertEquals(far, mapped.parameters().mappedBytes() == 0);
    }
  }

  /**
   * Of 200 MB what the file holds in our order takes no memory: here all but q, k, v and the MLP.
   */
  @Test
  void aLargeModelIsNotCopied() throws Exception {
    save(ModelConfig.llama(40_000, 1024, 2, 8, 8, 1024, 64, "full"));
    long file = Files.size(folder.resolve("model.safetensors"));
    assertTrue(file > 190e6, () -> "" + file);
    try (Backend backend = Backends.open("reference")) {
      long before = Scope.openBytes();
      try (Decoder model = load(backend, Loading.as(DType.F32).mapped(true))) {
        Parameters p = model.parameters();
        Tensor table = p.get("embed.weight");
        assertEquals(file, table.storage().bytes(), "its storage is the whole mapping");
        assertTrue(table.storage().isReadOnly());
        long start = table.storage().address();
        assertTrue(table.address() >= start && table.address() < start + file);
        assertTrue(p.mappedBytes() > 0.75 * file, () -> p.mappedBytes() + " of " + file);
        long all = p.values().stream().mapToLong(t -> t.size() * 4).sum();
        // Beside it the model holds a zero and its rotary frequencies.
        long beside = Scope.openBytes() - before - (all - p.mappedBytes());
        assertTrue(Math.abs(beside) <= 4096, () -> beside + " bytes more than what is not mapped");
      }
      assertEquals(before, Scope.openBytes());
    }
  }

  @Test
  void writingIsRefusedAndTrainingCopies() throws Exception {
    assumeTrue(BackendsUnderTest.haveNative(), "built without the native part (-Pquick)");
    byte[] before = Files.readAllBytes(folder.resolve("model.safetensors"));
    try (Backend backend = Backends.open("cpu");
        Scope scope = new Scope(backend.memory());
        Decoder model = load(backend, Loading.as(DType.F32).mapped(true))) {
      Parameters p = model.parameters();
      Tensor table = p.get("embed.weight");
      float[] values = table.toFloats();
      Tensor other = scope.tensor(DType.F32, table.shape()).copyFrom(values);
      String message =
          String.valueOf(
              assertThrows(
                      IllegalArgumentException.class,
                      () -> backend.run(OpCode.COPY, new Params.None(), other, table))
                  .getMessage());
      assertTrue(message.contains("copy would write") && message.contains("mapped"), message);
      assertThrows(IllegalArgumentException.class, () -> backend.transfer(other, table));
      assertThrows(RuntimeException.class, () -> table.copyFrom(values));
      p.freeze("layers\\..*");
      p.trainable();
      Tensor own = p.get("embed.weight");
      assertFalse(own.storage().isReadOnly());
      assertArrayEquals(values, own.toFloats());
      assertTrue(p.get("layers.0.out.weight").storage().isReadOnly(), "what is frozen stays");
      backend.run(OpCode.UNARY, new Params.Unary(0, 2, 0), own, own);
    }
    assertArrayEquals(before, Files.readAllBytes(folder.resolve("model.safetensors")));
  }
}
