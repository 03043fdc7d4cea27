package io.heddle.tests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.backend.Backend;
import io.heddle.backend.Backends;
import io.heddle.models.AutoModel;
import io.heddle.models.BatchedGeneration;
import io.heddle.models.BatchedGeneration.Request;
import io.heddle.models.Decoder;
import io.heddle.models.Hypothesis;
import io.heddle.models.ModelConfig;
import io.heddle.models.Sampler;
import io.heddle.tensor.DType;
import io.heddle.tensor.Scope;
import io.heddle.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Texts written side by side, their keys in pages, are those that are written alone. */
class BatchedGenerationTest {
  private static final int VOCABULARY = 31;
  private static final int CONTEXT = 256;
  private static final Set<Integer> ENDS = Set.of(7);

  static Stream<Arguments> cases() {
    return BackendsUnderTest.namesAndFar()
        .flatMap(
            backend ->
                Stream.of("llama full", "gpt2 full", "llama window:5,full@1", "llama block:40/1")
                    .map(kind -> Arguments.of(backend, kind)));
  }

  // Weights large enough that what is seen matters.
  static Decoder model(String kind, Backend backend) {
    String[] parts = kind.split(" ", -1);
    ModelConfig shape =
        parts[0].equals("gpt2")
            ? ModelConfig.gpt2(VOCABULARY, 16, 2, 2, CONTEXT, parts[1])
            : ModelConfig.llama(VOCABULARY, 16, 2, 2, 1, 24, CONTEXT, parts[1]);
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

  static int[] prompt(int length, int salt) {
    int[] ids = new int[length];
    Arrays.setAll(ids, i -> (i * i * 7 + i * (3 + salt) + salt) % VOCABULARY);
    return ids;
  }

  private static Hypothesis alone(Decoder model, int[] prompt, Sampler.Options options, int count) {
    return new Sampler(options)
        .continuations(
            model, new int[][] {prompt}, new Sampler.Limits(1, count, ENDS), (t, s, token) -> true)
        .getFirst();
  }

  /** Prompts and lengths at, before and behind the ends of pages; more texts than run at once. */
  @ParameterizedTest(name = "{1} on {0}")
  @MethodSource("cases")
  void writesWhatIsWrittenAlone(String backendName, String kind) {
    int[] lengths = {1, 63, 64, 65, 130, 3, 126};
    int[] counts = {20, 3, 2, 1, 12, 70, 5};
    try (Backend backend = Backends.open(backendName);
        Decoder model = model(kind, backend)) {
      model.prefill(50);
      List<Request> requests = new ArrayList<>();
      try (BatchedGeneration batch = model.batch(3, 6 * 64)) {
        for (int i = 0; i < lengths.length; i++) {
          requests.add(
              batch.submit(prompt(lengths[i], i), options(i), counts[i], ENDS, token -> true));
        }
        batch.finish();
        assertEquals(6, batch.freePages());
      }
      for (int i = 0; i < lengths.length; i++) {
        Hypothesis expected = alone(model, prompt(lengths[i], i), options(i), counts[i]);
        Hypothesis actual = requests.get(i).result();
        assertArrayEquals(expected.tokens(), actual.tokens(), "text " + i);
        assertEquals(expected.logProbability(), actual.logProbability(), 1e-3, "text " + i);
        assertEquals(expected.ended(), actual.ended(), "text " + i);
      }
    }
  }

  private static Sampler.Options options(int i) {
    return i % 2 == 0 ? Sampler.Options.GREEDY : new Sampler.Options(0.9, 10, 1, 100 + i);
  }

  @Test
  void textsJoinAndLeaveWithinTheMemory() {
    try (Backend backend = Backends.open("reference");
        Decoder model = model("llama full", backend);
        BatchedGeneration batch = model.batch(2, 4 * 64)) {
      // 2 layers of keys and values, 1 head of 8 features in f32.
      assertEquals(2 * 2 * 256 * 8 * 4, batch.bytes());
      long open = Scope.openBytes();
      Request longer = batch.submit(prompt(100, 1), Sampler.Options.GREEDY, 30, Set.of());
      assertTrue(batch.step());
      assertEquals(2, batch.freePages());
      // What it may come to is promised, so that this one, of 3 pages, has to wait.
      Request waits = batch.submit(prompt(129, 2), Sampler.Options.GREEDY, 4, Set.of());
      List<Integer> heard = new ArrayList<>();
      for (int i = 0; i < 5; i++) {
        assertTrue(batch.step());
        assertFalse(waits.done());
        assertEquals(2, batch.freePages());
      }
      Request stopped =
          batch.submit(
              prompt(5, 3),
              Sampler.Options.GREEDY,
              50,
              Set.of(),
              token -> {
                heard.add(token);
                return heard.size() < 3;
              });
      batch.finish();
      assertEquals(4, batch.freePages());
      assertEquals(open, Scope.openBytes());
      assertEquals(30, longer.result().tokens().length);
      assertEquals(4, waits.result().tokens().length);
      assertEquals(
          heard, Arrays.stream(stopped.result().tokens()).boxed().toList(), "heard as written");
      assertEquals(3, heard.size());
    }
  }

  /** A page that held what is no number is as good as new. */
  @Test
  void aTextThatIsNoNumberHarmsNoLaterOne() {
    for (String name : BackendsUnderTest.names().toList()) {
      try (Backend backend = Backends.open(name);
          Decoder model = model("gpt2 full", backend);
          BatchedGeneration batch = model.batch(1, 64)) {
        float[] table = model.parameters().get("positions.weight").toFloats();
        table[50 * 16] = Float.NaN; // a place that short texts do not come to
        model.parameters().get("positions.weight").copyFrom(table);
        int[] sound = {1, 2, 3};
        int[] before = alone(model, sound, Sampler.Options.GREEDY, 6).tokens();
        Request first = batch.submit(prompt(60, 1), Sampler.Options.GREEDY, 2, Set.of());
        Request second = batch.submit(sound, Sampler.Options.GREEDY, 6, ENDS);
        batch.finish();
        assertTrue(first.done());
        String failed =
            String.valueOf(assertThrows(IllegalStateException.class, first::result).getMessage());
        assertTrue(failed.contains("NaN"), failed);
        assertArrayEquals(before, second.result().tokens(), name);
      }
    }
  }

  @Test
  void whatCannotBeIsRefused() {
    try (Backend backend = Backends.open("reference");
        Decoder model = model("llama full", backend);
        BatchedGeneration batch = model.batch(2, 65)) {
      String full = refused(() -> submit(batch, 100, 30));
      assertTrue(full.contains("need 3 pages of 64; this batch has 2"), full);
      String context = refused(() -> submit(batch, 200, 57));
      assertTrue(context.contains("the model's context of 256"), context);
      assertTrue(refused(() -> submit(batch, 0, 3)).contains("prompt is empty"));
      assertThrows(IllegalStateException.class, () -> submit(batch, 3, 3).result());
      assertEquals(0, submit(batch, 3, 0).result().tokens().length);
      try (Decoder alibi =
          (Decoder)
              AutoModel.load(
                  Repository.root().resolve("tests/golden/families/bloom"), backend, DType.F32)) {
        assertTrue(refused(() -> alibi.batch(1, 64).close()).contains("distance of keys"));
      }
    }
  }

  private static Request submit(BatchedGeneration batch, int length, int count) {
    return batch.submit(prompt(length, 1), Sampler.Options.GREEDY, count, Set.of());
  }

  private static String refused(org.junit.jupiter.api.function.Executable body) {
    return String.valueOf(assertThrows(IllegalArgumentException.class, body).getMessage());
  }
}
