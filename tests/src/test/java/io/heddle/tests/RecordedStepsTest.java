package io.heddle.tests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;

import io.heddle.backend.Backend;
import io.heddle.backend.Backends;
import io.heddle.models.BeamScoring;
import io.heddle.models.BeamSearch;
import io.heddle.models.Decoder;
import io.heddle.models.Hypothesis;
import io.heddle.models.NextTokenModel;
import io.heddle.models.Sampler;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Texts that are continued by replays of one recorded pass are those that are continued call by
 * call. Where a backend does not record, a replay makes the calls again.
 */
class RecordedStepsTest {
  private static final Set<Integer> ENDS = Set.of(7);

  private static Stream<Arguments> with(Stream<String> kinds) {
    List<String> all = kinds.toList();
    return BackendsUnderTest.namesAndFar()
        .flatMap(backend -> all.stream().map(kind -> Arguments.of(backend, kind)));
  }

  // Rings and blocks shorter than the texts, and longer ones.
  static Stream<Arguments> recordable() {
    return with(
        Stream.of(
            "llama full",
            "gpt2 full",
            "llama window:5,full@1",
            "gpt2 block:8",
            "llama block:90/1"));
  }

  static Stream<Arguments> all() {
    return Stream.concat(recordable(), with(Stream.of("llama dilated:9/2", "gpt2 block:6/1")));
  }

  private static List<Hypothesis> written(
      Decoder model, boolean recorded, Sampler.Options options, int samples, int[]... prompts) {
    model.recorded(recorded);
    return new Sampler(options)
        .continuations(
            model, prompts, new Sampler.Limits(samples, 30, ENDS), (text, sample, token) -> true);
  }

  private static void same(List<Hypothesis> plain, List<Hypothesis> recorded) {
    assertEquals(plain.size(), recorded.size());
    for (int i = 0; i < plain.size(); i++) {
      assertArrayEquals(plain.get(i).tokens(), recorded.get(i).tokens(), "text " + i);
      assertEquals(plain.get(i).score(), recorded.get(i).score(), 1e-3, "score of text " + i);
      assertEquals(plain.get(i).ended(), recorded.get(i).ended());
    }
  }

  @ParameterizedTest(name = "{1} on {0}")
  @MethodSource("all")
  void theSameTexts(String backendName, String kind) {
    int[] prompt = BatchedGenerationTest.prompt(11, 1);
    int[][] several = {
      BatchedGenerationTest.prompt(3, 2), prompt, BatchedGenerationTest.prompt(7, 3)
    };
    Sampler.Options drawn = new Sampler.Options(0.9, 12, 0.95, 5);
    try (Backend backend = Backends.open(backendName);
        Decoder model = BatchedGenerationTest.model(kind, backend)) {
      for (Sampler.Options options : List.of(Sampler.Options.GREEDY, drawn)) {
        same(written(model, false, options, 1, prompt), written(model, true, options, 1, prompt));
        // Of several, rows are dropped when their texts end.
        same(written(model, false, options, 2, several), written(model, true, options, 2, several));
      }
    }
  }

  @ParameterizedTest(name = "{1} on {0}")
  @MethodSource("recordable")
  void whatADeviceHasChosen(String backendName, String kind) {
    int[][] prompts = {BatchedGenerationTest.prompt(9, 4)};
    try (Backend backend = Backends.open(backendName);
        Decoder model = BatchedGenerationTest.model(kind, backend)) {
      model.recorded(false);
      try (NextTokenModel.Continuation plain = model.begin(prompts, 1, 12)) {
        model.recorded(true);
        try (NextTokenModel.Continuation recorded = model.begin(prompts, 1, 12)) {
          assertNull(recorded.likeliest(), "a prompt is read plainly");
          int next = largest(plain.logits());
          for (int i = 0; i < 12; i++) {
            plain.append(new int[] {next});
            recorded.append(new int[] {next});
            assertNull(plain.likeliest());
            NextTokenModel.Choice chosen = recorded.likeliest();
            assertNotNull(chosen, "a token is read by a step");
            assertArrayEquals(plain.logits(), recorded.logits(), 2e-4f, "logits after " + i);
            assertEquals(largest(plain.logits()), chosen.tokens()[0]);
            // Now and then another token than the device's own.
            next = i % 4 == 2 ? (chosen.tokens()[0] + 1) % 31 : chosen.tokens()[0];
          }
        }
      }
    }
  }

  // Rows change places at every token.
  @ParameterizedTest(name = "{1} on {0}")
  @MethodSource("recordable")
  void theSameBeams(String backendName, String kind) {
    int[][] prompts = {BatchedGenerationTest.prompt(9, 4)};
    BeamSearch search =
        new BeamSearch(BeamSearch.Options.of(3, 20, ENDS, BeamScoring.Normalised.DEFAULT));
    try (Backend backend = Backends.open(backendName);
        Decoder model = BatchedGenerationTest.model(kind, backend)) {
      model.recorded(false);
      List<List<Hypothesis>> plain = search.search(model, prompts);
      model.recorded(true);
      same(plain.getFirst(), search.search(model, prompts).getFirst());
    }
  }

  private static int largest(float[] logits) {
    int best = 0;
    for (int i = 1; i < logits.length; i++) {
      best = logits[i] > logits[best] ? i : best;
    }
    return best;
  }
}
