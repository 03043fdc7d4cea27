package io.heddle.tests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.heddle.autograd.Tape;
import io.heddle.backend.Backend;
import io.heddle.backend.Backends;
import io.heddle.models.AutoModel;
import io.heddle.models.Conversion;
import io.heddle.models.Conversion.PositionMode;
import io.heddle.models.Decoder;
import io.heddle.models.Model;
import io.heddle.models.ModelConfig;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Models under other schedules: what information can pass, and what a conversion keeps. */
class ConversionTest {
  private static final Path GOLDEN = Repository.root().resolve("tests/golden");

  private static final int MOST = 300; // tokens: the oracle is slow

  private static float[] logits(Decoder model, int[] ids) {
    try (Tape t = Tape.inference(model.backend())) {
      Tensor in = t.tensor(DType.I32, ids.length).copyFrom(ids);
      return model.logits(t, model.hidden(t, in, 1, null)).toFloats();
    }
  }

  private static int[] text(int length, int vocabulary) {
    int[] ids = new int[length];
    Arrays.setAll(ids, i -> (i * i * 3 + 5 * i + 1) % vocabulary);
    return ids;
  }

  static Stream<String> backends() {
    return BackendsUnderTest.names();
  }

  /**
   * With blocks everywhere no border is crossed; windows reach 1 + L (W - 1) tokens, no further.
   */
  @ParameterizedTest(name = "{0}")
  @MethodSource("backends")
  void earlierTokensReachAsFarAsTheyCan(String backendName) {
    int n = 128;
    int b = 16;
    try (Backend backend = Backends.open(backendName)) {
      String[] schedules = {
        "block:16", "window:16", "block:16,full@bottom:1", "block:16,full@top:1"
      };
      for (String schedule : schedules) {
        ModelConfig shape = ModelConfig.gpt2(32, 48, 4, 2, 96, n, schedule);
        try (Decoder model = Decoder.random(shape, backend, DType.F32, 3)) {
          int[] ids = text(n, 32);
          float[] before = logits(model, ids);
          int changed = 66; // in block 4, which ends before token 80
          ids[changed] = (ids[changed] + 1) % 32;
          float[] after = logits(model, ids);
          int last = changed - 1;
          for (int i = 0; i < n; i++) {
            boolean same = Arrays.equals(before, i * 32, i * 32 + 32, after, i * 32, i * 32 + 32);
            assertTrue(same || i >= changed, schedule + ": token " + i + " saw the future");
            last = same ? last : i;
          }
          int farthest =
              switch (schedule) {
                case "block:16" -> (changed / b + 1) * b - 1;
                case "window:16" -> changed + 4 * (b - 1);
                default -> n - 1;
              };
          assertEquals(farthest, last, schedule + ": the last token that the change reached");
        }
      }
    }
  }

  static Stream<Arguments> folders() {
    return BackendsUnderTest.names()
        .flatMap(
            backend ->
                Stream.of(
                        "models/gpt2",
                        "models/gpt_neo",
                        "models/llama",
                        "families/opt",
                        "families/bloom")
                    .map(model -> Arguments.of(backend, model)));
  }

  /** Where a block or window covers the text, the converted model is the model, bit for bit. */
  @ParameterizedTest(name = "{1} on {0}")
  @MethodSource("folders")
  void nothingIsLostWithinABlock(String backendName, String folder) throws IOException {
    try (Backend backend = Backends.open(backendName);
        Decoder model = (Decoder) AutoModel.load(GOLDEN.resolve(folder), backend, DType.F32);
        Decoder full = Conversion.convert(model, "full", 0, PositionMode.TILE, 0)) {
      int[] ids = text(20, model.config().vocabulary());
      float[] expected = logits(full, ids);
      int longer = 4 * model.config().context();
      for (String schedule : List.of("block:20", "window:20", "window:64,full@bottom:1")) {
        for (PositionMode mode : List.of(PositionMode.TILE, PositionMode.INIT)) {
          try (Decoder converted = Conversion.convert(model, schedule, longer, mode, 7)) {
            assertArrayEquals(expected, logits(converted, ids), schedule + ", " + mode);
            assertEquals(longer, converted.config().context());
            // Positions without a table go as far as they like: the end of a table is what matters.
            int tokens = Math.min(longer, MOST);
            assertEquals(
                tokens * converted.config().vocabulary(),
                logits(converted, text(tokens, 50)).length);
          }
        }
      }
    }
  }

  @ParameterizedTest(name = "{1} on {0}")
  @MethodSource("folders")
  void aFolderComesBackAsItWasWritten(String backendName, String name, @TempDir Path folder)
      throws IOException {
    Path from = Files.createDirectories(folder.resolve("from"));
    for (String file : List.of("config.json", "model.safetensors")) {
      Files.copy(GOLDEN.resolve(name).resolve(file), from.resolve(file));
    }
    Files.writeString(from.resolve("tokenizer_config.json"), "{}");
    Files.writeString(from.resolve("model.safetensors.index.json"), "{}");
    String schedule = "block:6/1,full@bottom:1";
    try (Backend backend = Backends.open(backendName);
        Decoder model = (Decoder) AutoModel.load(GOLDEN.resolve(name), backend, DType.F32)) {
      Files.delete(from.resolve("model.safetensors.index.json"));
      int longer = model.config().context() + 40;
      for (PositionMode mode : PositionMode.values()) {
        Path out = folder.resolve(mode.word());
        ModelConfig made = Conversion.write(from, out, backend, schedule, longer, mode, 3);
        assertEquals(schedule, made.schedule());
        assertTrue(Files.exists(out.resolve("tokenizer_config.json")));
        var json = new ObjectMapper().readTree(out.resolve("config.json").toFile());
        assertEquals(schedule, json.path("heddle_schedule").asText());
        int[] ids = text(Math.min(longer, MOST), model.config().vocabulary());
        try (Decoder direct = Conversion.convert(model, schedule, longer, mode, 3);
            Decoder loaded = (Decoder) AutoModel.load(out, backend, DType.F32)) {
          assertEquals(longer, loaded.config().context());
          assertArrayEquals(logits(direct, ids), logits(loaded, ids), mode.word());
          // And back: the weights are what they were.
          try (Decoder back =
              Conversion.convert(
                  loaded, model.schedule().toString(), model.config().context(), mode, 3)) {
            for (Tensor weight : model.parameters().values()) {
              if (mode != PositionMode.INTERPOLATE
                  || !String.valueOf(weight.name()).startsWith("pos")) {
                assertArrayEquals(
                    weight.toFloats(),
                    back.parameters().get(String.valueOf(weight.name())).toFloats(),
                    weight.name());
              }
            }
          }
        }
        IllegalArgumentException again =
            assertThrows(
                IllegalArgumentException.class,
                () -> Conversion.write(from, out, backend, "full", 0, mode, 0));
        assertTrue(String.valueOf(again.getMessage()).contains("exists"), again.getMessage());
      }
      assertThrows(
          IllegalArgumentException.class,
          () ->
              Conversion.write(
                  from, folder.resolve("bad"), backend, "window:x", 0, PositionMode.TILE, 0));
      try (Stream<Path> left = Files.list(folder)) {
        assertEquals(
            List.of("from", "init", "interpolate", "tile"),
            left.map(p -> String.valueOf(p.getFileName())).sorted().toList());
      }
    }
  }

  @Test
  void rowsOfALongerTable() throws IOException {
    try (Backend backend = Backends.open("reference");
        Model model = AutoModel.load(GOLDEN.resolve("families/opt"), backend, DType.F32)) {
      int offset = model.config().embedding().offset();
      int context = model.config().context();
      int size = model.config().embedding().size();
      float[] old = model.parameters().get("positions.weight").toFloats();
      int longer = 2 * context + 3;
      for (PositionMode mode : PositionMode.values()) {
        try (Model out = Conversion.convert(model, "", longer, mode, 1)) {
          float[] rows = out.parameters().get("positions.weight").toFloats();
          assertEquals((longer + offset) * size, rows.length);
          row(old, 0, rows, 0, size);
          row(old, offset, rows, offset, size);
          if (mode == PositionMode.INTERPOLATE) {
            row(old, offset + context - 1, rows, offset + longer - 1, size);
            double at = 2.0 * (context - 1) / (longer - 1);
            assertTrue(at < 1);
            double a = old[offset * size];
            double b = old[(offset + 1) * size];
            assertEquals(a + at * (b - a), rows[(offset + 2) * size], 1e-6);
          } else {
            row(old, offset + context - 1, rows, offset + context - 1, size);
            boolean tiled = mode == PositionMode.TILE;
            for (int p = context; p < longer; p++) {
              int from = (offset + p % context) * size;
              int to = (offset + p) * size;
              assertEquals(
                  tiled, Arrays.equals(old, from, from + size, rows, to, to + size), "row " + p);
              assertNotEquals(0, rows[to], "row " + p);
            }
          }
        }
      }
    }
  }

  private static void row(float[] old, int from, float[] rows, int to, int size) {
    assertArrayEquals(
        Arrays.copyOfRange(old, from * size, (from + 1) * size),
        Arrays.copyOfRange(rows, to * size, (to + 1) * size));
  }

  /** Encoders, and the encoders of translators, take schedules too. */
  @Test
  void encodersAndTranslators() throws IOException {
    try (Backend backend = Backends.open("reference")) {
      for (String family : List.of("roberta", "bart", "t5")) {
        try (Model model =
                AutoModel.load(GOLDEN.resolve("families").resolve(family), backend, DType.F32);
            Model converted =
                Conversion.convert(model, "window:3,full@0", 0, PositionMode.TILE, 0)) {
          assertEquals("window:3,full@0", converted.config().schedule());
          assertFalse(converted.config().json().equals(model.config().json()));
        }
      }
    }
  }
}
