package io.heddle.tests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.heddle.backend.Backend;
import io.heddle.backend.Backends;
import io.heddle.models.AutoModel;
import io.heddle.models.Model;
import io.heddle.models.ModelFolder;
import io.heddle.models.Resizing;
import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.tensor.DType;
import io.heddle.tensor.Memory;
import io.heddle.tensor.Storage;
import io.heddle.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Loading draws nothing and leaves nothing out: on memory that is full of NaN, every element of
 * every family's parameters is a number afterwards.
 */
class LoadingTest {
  private static final Path GOLDEN = Repository.root().resolve("tests/golden");

  @TempDir private Path folder;

  /** The reference backend on memory whose fresh blocks hold NaN in every element type. */
  private record Poisoned(Backend inner) implements Backend {
    @Override
    public String name() {
      return "poisoned";
    }

    @Override
    public String describe() {
      return inner.describe();
    }

    @Override
    public Memory memory() {
      return bytes -> {
        Storage storage = inner.memory().allocate(bytes);
        storage.segment().fill((byte) 0xFF);
        return storage;
      };
    }

    @Override
    public boolean supports(OpCode op) {
      return inner.supports(op);
    }

    @Override
    public void run(OpCode op, Params params, @Nullable Tensor... tensors) {
      inner.run(op, params, tensors);
    }

    @Override
    public void matmul(
        Tensor a, Tensor b, @Nullable Tensor bias, Tensor c, float alpha, float beta) {
      inner.matmul(a, b, bias, c, alpha, beta);
    }

    @Override
    public void transfer(Tensor from, Tensor to) {
      inner.transfer(from, to);
    }

    @Override
    public void synchronize() {
      inner.synchronize();
    }

    @Override
    public void close() {
      inner.close();
    }
  }

  static Stream<Path> folders() throws IOException {
    try (Stream<Path> families = Files.list(GOLDEN.resolve("families"));
        Stream<Path> models = Files.list(GOLDEN.resolve("models"))) {
      return Stream.concat(families, models).sorted().toList().stream();
    }
  }

  private static void assertAllNumbers(Model model) {
    for (Tensor parameter : model.parameters().values()) {
      for (float value : parameter.toFloats()) {
        assertFalse(Float.isNaN(value), parameter.toString());
      }
    }
  }

  @ParameterizedTest
  @MethodSource("folders")
  void everyElementIsFilled(Path source) {
    for (DType dtype : new DType[] {DType.F32, DType.BF16}) {
      try (Backend backend = new Poisoned(Backends.open("reference"));
          Model model = AutoModel.load(source, backend, dtype);
          Model resized = Resizing.withVocabulary(model, model.config().vocabulary() + 3)) {
        assertAllNumbers(model);
        assertAllNumbers(resized);
      }
    }
  }

  /** What a file lacks is drawn as a fresh model's would be, and nothing else is. */
  @Test
  void aNewHeadIsDrawnAndTheRestIsNot() throws IOException {
    Path source = GOLDEN.resolve("families/bert");
    ObjectMapper json = new ObjectMapper();
    ObjectNode config = (ObjectNode) json.readTree(source.resolve("config.json").toFile());
    config.putArray("architectures").add("BertForSequenceClassification");
    json.writeValue(folder.resolve("config.json").toFile(), config);
    Files.copy(source.resolve("model.safetensors"), folder.resolve("model.safetensors"));
    try (Backend backend = new Poisoned(Backends.open("reference"));
        Model loaded = AutoModel.loadPartly(folder, backend, DType.F32);
        Model body = AutoModel.load(source, backend, DType.F32);
        Model fresh =
            AutoModel.random(
                ModelFolder.readConfig(folder.resolve("config.json")), backend, DType.F32, 0)) {
      assertAllNumbers(loaded);
      int drawn = 0;
      for (Tensor p : loaded.parameters().values()) {
        boolean head = p.name().matches("pooled\\.(weight|bias)");
        drawn += head ? 1 : 0;
        // The pooler is in the file, and of a model for pairs of sentences part of that head.
        String there = head ? p.name() : p.name().replace("pooled.dense", "pair.dense");
        Tensor wanted = (head ? fresh : body).parameters().get(there);
        assertArrayEquals(wanted.toFloats(), p.toFloats(), String.valueOf(p.name()));
      }
      assertEquals(2, drawn, "the classifier's weight and bias");
    }
  }
}
