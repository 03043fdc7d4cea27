package io.heddle.tests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.autograd.Tape;
import io.heddle.backend.Backend;
import io.heddle.backend.Backends;
import io.heddle.models.AutoModel;
import io.heddle.models.Conversion;
import io.heddle.models.Conversion.PositionMode;
import io.heddle.models.Decoder;
import io.heddle.models.Model;
import io.heddle.models.ModelConfig;
import io.heddle.models.NextTokenModel.Continuation;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import java.util.Arrays;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Caches of layers that do not see far hold what they need and no more, and give the logits of one
 * pass over the whole text, however it was cut.
 */
class BoundedCacheTest {
  private static final int VOCABULARY = 31;
  private static final int LENGTH = 41;
  private static final int LAYERS = 3;

  static Stream<Arguments> cases() {
    return BackendsUnderTest.namesAndFar()
        .flatMap(
            backend ->
                Stream.of(
                        "window:5",
                        "window:1,full@1",
                        "block:4",
                        "block:6/1,full@bottom:1",
                        "block:7/2",
                        "dilated:7/3,block:4@1",
                        "window:5#0,window:9#1",
                        "window:5|global:2,window:12@2",
                        "window:40",
                        "full")
                    .map(schedule -> Arguments.of(backend, schedule)));
  }

  private static int[] text(int length, int salt) {
    int[] ids = new int[length];
    Arrays.setAll(ids, i -> (i * i * 7 + i * (3 + salt) + salt) % VOCABULARY);
    return ids;
  }

  /** Logits of every position, in one pass. */
  private static float[] once(Decoder model, int[] ids) {
    try (Tape t = Tape.inference(model.backend())) {
      Tensor in = t.tensor(DType.I32, ids.length).copyFrom(ids);
      return model.logits(t, model.hidden(t, in, 1, null)).toFloats();
    }
  }

  private static float[] inParts(Decoder model, int[] ids, int part) {
    float[] out = new float[ids.length * VOCABULARY];
    try (Decoder.Cache cache = model.new Cache(1, ids.length)) {
      for (int from = 0; from < ids.length; from += part) {
        int[] some = Arrays.copyOfRange(ids, from, Math.min(ids.length, from + part));
        try (Tape t = Tape.inference(model.backend())) {
          Tensor in = t.tensor(DType.I32, some.length).copyFrom(some);
          float[] logits = model.logits(t, cache.extend(t, in)).toFloats();
          System.arraycopy(logits, 0, out, from * VOCABULARY, logits.length);
        }
      }
    }
    return out;
  }

  private static void close(String what, float[] expected, float[] actual) {
    assertEquals(expected.length, actual.length, what);
    for (int i = 0; i < expected.length; i++) {
      double error = Math.abs(expected[i] - (double) actual[i]);
      int at = i;
      assertTrue(
          error <= 1e-5 * Math.max(1, Math.abs(expected[i])),
          () -> what + ", position " + at / VOCABULARY + ": error " + error);
    }
  }

  // Weights large enough that what is seen matters.
  private static Decoder model(ModelConfig shape, Backend backend) {
    Decoder model = Decoder.random(shape, backend, DType.F32, 5);
    for (Tensor weight : model.parameters().values()) {
      if (weight.rank() > 1) {
        float[] values = weight.toFloats();
        for (int i = 0; i < values.length; i++) {
          values[i] *= 8;
        }
        weight.copyFrom(values);
      }
    }
    return model;
  }

  private static ModelConfig shape(String schedule) {
    return ModelConfig.llama(VOCABULARY, 16, LAYERS, 2, 1, 24, 64, schedule);
  }

  @ParameterizedTest(name = "{1} on {0}")
  @MethodSource("cases")
  void anyPartsGiveTheLogitsOfOnePass(String backendName, String schedule) {
    try (Backend backend = Backends.open(backendName);
        Decoder model = model(shape(schedule), backend)) {
      int[] ids = text(LENGTH, 0);
      float[] whole = once(model, ids);
      for (int part = 1; part <= LENGTH; part++) {
        close("parts of " + part, whole, inParts(model, ids, part));
      }
    }
  }

  /** Distances by order (ALiBi) come out right from a ring too. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("backends")
  void ringsKnowDistances(String backendName) {
    try (Backend backend = Backends.open(backendName);
        Model loaded =
            AutoModel.load(
                Repository.root().resolve("tests/golden/families/bloom"), backend, DType.F32);
        Decoder model =
            Conversion.convert((Decoder) loaded, "window:5,block:4@0", 0, PositionMode.TILE, 0)) {
      int vocabulary = model.config().vocabulary();
      int[] ids = Arrays.stream(text(20, 1)).map(i -> i % vocabulary).toArray();
      for (int part : new int[] {1, 3, 7, 20}) {
        model.prefill(part);
        try (Continuation at = model.begin(new int[][] {Arrays.copyOf(ids, 12)}, 1, 9)) {
          for (int i = 12; i < ids.length; i++) {
            at.append(new int[] {ids[i]});
          }
          float[] whole = once(model, ids);
          float[] last = Arrays.copyOfRange(whole, whole.length - vocabulary, whole.length);
          assertArrayEquals(last, at.logits(), 1e-4f, "prompt in parts of " + part);
        }
      }
    }
  }

  static Stream<String> backends() {
    return BackendsUnderTest.names();
  }

  /** Prompts of different lengths in parts, then rows that part and change places. */
  @ParameterizedTest(name = "{1} on {0}")
  @MethodSource("cases")
  void rowsThatBeganApart(String backendName, String schedule) {
    try (Backend backend = Backends.open(backendName);
        Decoder model = model(shape(schedule), backend)) {
      for (int part : new int[] {1, 4, 100}) {
        model.prefill(part);
        int[][] rows = {text(19, 1), text(3, 2), text(11, 3)};
        try (Continuation at = model.begin(rows, 2, 20)) {
          int token = 0;
          int[][] moves = {{0, 0, 1, 1, 2, 2}, {1, 0, 2, 2, 5, 4}, {0, 1, 3, 2, 4, 4}, {5, 0, 3}};
          for (int round = 0; round < 12; round++) {
            int[] move = round < moves.length ? moves[round] : new int[] {1, 2, 0};
            at.select(move);
            int[][] next = new int[move.length][];
            int[] tokens = new int[move.length];
            for (int r = 0; r < move.length; r++) {
              tokens[r] = (token += 5) % VOCABULARY;
              next[r] = Arrays.copyOf(rows[move[r]], rows[move[r]].length + 1);
              next[r][next[r].length - 1] = tokens[r];
            }
            rows = next;
            at.append(tokens);
          }
          for (int r = 0; r < rows.length; r++) {
            float[] whole = once(model, rows[r]);
            close(
                "row " + r,
                Arrays.copyOfRange(whole, whole.length - VOCABULARY, whole.length),
                Arrays.copyOfRange(at.logits(), r * VOCABULARY, (r + 1) * VOCABULARY));
          }
        }
      }
    }
  }

  /** Bytes of a cache do not grow with its capacity where layers do not see far. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("backends")
  void memoryIsWhatIsSeen(String backendName) {
    try (Backend backend = Backends.open(backendName);
        Decoder model =
            Decoder.random(
                ModelConfig.llama(
                    VOCABULARY, 16, 4, 2, 1, 24, 100_000, "window:16,block:8/1@1,full@3"),
                backend,
                DType.F32,
                1)) {
      long column = 2L * 8 * Float.BYTES; // keys and values of one head of 8
      try (Decoder.Cache small = model.new Cache(1, 64);
          Decoder.Cache large = model.new Cache(1, 64_000);
          Decoder.Cache tiny = model.new Cache(1, 7)) {
        assertEquals((16 + 16 + 16 + 64) * column, small.bytes());
        assertEquals((16 + 16 + 16 + 64_000) * column, large.bytes());
        assertEquals(4 * 7 * column, tiny.bytes());
      }
      // A long prompt in parts: what a pass takes beside the cache depends on the part alone.
      try (Decoder.Cache cache = model.new Cache(1, 2048)) {
        long[] peaks = new long[16];
        for (int i = 0; i < peaks.length; i++) {
          try (Tape t = Tape.inference(backend)) {
            cache.extend(t, t.tensor(DType.I32, 128).copyFrom(text(128, i)));
            peaks[i] = t.scope().peakBytes();
          }
        }
        long layouts = 2048 / 64 * 2 * 16; // entries of the full layer's block list
        assertTrue(
            peaks[15] <= peaks[1] + layouts, "from " + peaks[1] + " to " + peaks[15] + " bytes");
      }
    }
  }
}
