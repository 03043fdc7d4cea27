package io.heddle.models;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.heddle.models.Sampler.Limits;
import io.heddle.models.Sampler.Options;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/** What sampling keeps, against transformers' processors, and what it draws, against the odds. */
class SamplingTest {
  private static Options options(JsonNode o) {
    TokenRules rules =
        TokenRules.NONE
            .repetitionPenalty(o.path("repetition_penalty").asDouble(1))
            .noRepeatNgram(o.path("no_repeat_ngram_size").asInt(0));
    return new Options(
        o.path("temperature").asDouble(1),
        o.path("top_k").asInt(0),
        o.path("top_p").asDouble(1),
        o.path("min_p").asDouble(0),
        o.path("typical_p").asDouble(1),
        rules,
        0);
  }

  private static double[] doubles(JsonNode list) {
    double[] out = new double[list.size()];
    Arrays.setAll(out, i -> list.get(i).asDouble());
    return out;
  }

  @Test
  void keepsWhatTransformersKeeps() throws IOException {
    JsonNode golden = BeamSearchTest.read("filters.json");
    int[] text = Arrays.stream(doubles(golden.path("text"))).mapToInt(x -> (int) x).toArray();
    int cases = 0;
    for (JsonNode c : golden.path("cases")) {
      for (int row = 0; row < 2; row++) {
        double[] scores = doubles(golden.path("logits").get(row));
        Options options = options(c.path("options"));
        options.rules().apply(scores, text, 3, Set.of(), 0);
        TokenFilter filter = new TokenFilter(options);
        filter.take(scores);
        double[] p = new double[scores.length];
        int[] kept = filter.kept();
        for (int i = 0; i < kept.length; i++) {
          p[kept[i]] = filter.probabilities()[i];
        }
        assertArrayEquals(
            doubles(c.path("probabilities").get(row)), p, 1e-6, c.path("options").toString());
        cases++;
      }
    }
    assertEquals(26, cases);
  }

  @Test
  void drawsByTheOdds() {
    double[] scores = {1.2, -0.3, 0.4, 2, -4, 0.4};
    List<Options> all =
        List.of(
            new Options(1, 0, 1, 0),
            new Options(0.6, 0, 1, 0),
            new Options(1.5, 4, 1, 0),
            new Options(1, 0, 0.8, 0),
            new Options(1, 0, 1, 0).minP(0.2),
            new Options(1, 0, 1, 0).typicalP(0.6));
    for (Options options : all) {
      TokenFilter filter = new TokenFilter(options);
      filter.take(scores.clone());
      SplittableRandom random = new SplittableRandom(11);
      int draws = 20_000;
      int[] seen = new int[scores.length];
      for (int i = 0; i < draws; i++) {
        seen[filter.choose(random.nextDouble())]++;
      }
      double chi = 0;
      int[] kept = filter.kept();
      for (int i = 0; i < kept.length; i++) {
        double wanted = draws * filter.probabilities()[i];
        chi += (seen[kept[i]] - wanted) * (seen[kept[i]] - wanted) / wanted;
        seen[kept[i]] = 0;
      }
      assertEquals(0, Arrays.stream(seen).sum(), "a token was drawn that was filtered out");
      assertTrue(chi < 20.5, options + ": " + chi); // 5 degrees of freedom, one in a thousand
    }
  }

  @Test
  void theNucleusIsTheShortestPrefix() {
    double[] scores = Arrays.stream(new double[] {0.5, 0.3, 0.15, 0.05}).map(Math::log).toArray();
    int[] sizes = {1, 1, 2, 3, 4};
    double[] masses = {1e-9, 0.49, 0.75, 0.9, 0.97};
    for (int i = 0; i < sizes.length; i++) {
      TokenFilter filter = new TokenFilter(new Options(1, 0, masses[i], 0));
      filter.take(scores.clone());
      assertEquals(sizes[i], filter.kept().length, "mass " + masses[i]);
    }
    assertThrows(IllegalArgumentException.class, () -> new Options(1, 0, 0, 0));
    TokenFilter filter = new TokenFilter(new Options(1, 0, 1, 0));
    double none = Double.NEGATIVE_INFINITY;
    assertThrows(IllegalStateException.class, () -> filter.take(new double[] {none, none}));
  }

  private static final TableModel MODEL =
      new TableModel(
          new double[][] {
            {-1, -1.2, -1.5, -2},
            {-2, -1, -1, -3},
            {-1, -1, -2.5, -1.6},
            {0, 0, 0, 0}
          });

  @Test
  void aTextDependsOnItsSeedAndNotOnItsNeighbours() {
    Sampler sampler = new Sampler(new Options(1, 0, 1, 0).rules(TokenRules.NONE.minTokens(2)));
    Limits limits = new Limits(3, 12, Set.of(3));
    int[][] prompts = {{0}, {1, 2}, {2}, {1, 2}};
    List<Hypothesis> all = sampler.continuations(MODEL, prompts, limits, (t, s, token) -> true);
    assertEquals(12, all.size());
    for (int p = 0; p < prompts.length; p++) {
      List<Hypothesis> alone =
          sampler.continuations(MODEL, new int[][] {prompts[p]}, limits, (t, s, token) -> true);
      assertEquals(alone, all.subList(3 * p, 3 * p + 3));
    }
    assertNotEquals(all.get(0), all.get(1));
    Sampler other = new Sampler(new Options(1, 0, 1, 7));
    assertNotEquals(all, other.continuations(MODEL, prompts, limits, (t, s, token) -> true));
    for (Hypothesis h : all) {
      assertTrue(h.tokens().length >= 3 || !h.ended(), h.toString());
      assertTrue(h.tokens().length <= 12);
    }
  }

  @Test
  void listenersHearEveryTokenAndMayEndATextAlone() {
    List<List<Integer>> heard = List.of(new ArrayList<>(), new ArrayList<>());
    List<Hypothesis> all =
        new Sampler(Options.GREEDY)
            .continuations(
                MODEL,
                new int[][] {{0}, {1}},
                new Limits(1, 5, Set.of()),
                (text, sample, token) -> {
                  heard.get(text).add(token);
                  return text == 1 || heard.get(0).size() < 2;
                });
    assertEquals(List.of(0, 0), heard.get(0));
    assertEquals(5, heard.get(1).size());
    assertArrayEquals(new int[] {0, 0}, all.get(0).tokens());
    // Row 0 of the table, normalised: log p(0) twice.
    double logP = -1 - Math.log(Math.exp(-1) + Math.exp(-1.2) + Math.exp(-1.5) + Math.exp(-2));
    assertEquals(2 * logP, all.get(0).logProbability(), 1e-6);
    assertEquals(
        List.of(),
        new Sampler(Options.GREEDY)
            .continuations(MODEL, new int[0][], new Limits(1, 0, Set.of()), (t, s, k) -> true));
  }

  @Test
  void rules() {
    double[] scores = {2, -2, 4, 0};
    TokenRules.NONE.repetitionPenalty(2).apply(scores, new int[] {0, 1, 0}, 1, Set.of(), 0);
    assertArrayEquals(new double[] {1, -4, 4, 0}, scores);
    double none = Double.NEGATIVE_INFINITY;
    scores = new double[5];
    // ... 1 2 has been followed by 3 and by 0.
    TokenRules.NONE
        .noRepeatNgram(3)
        .apply(scores, new int[] {1, 2, 3, 1, 2, 0, 1, 2}, 1, Set.of(), 0);
    assertArrayEquals(new double[] {none, 0, 0, none, 0}, scores);
    scores = new double[3];
    TokenRules.NONE.minTokens(2).apply(scores, new int[] {0, 0}, 1, Set.of(1, 2), 0);
    assertArrayEquals(new double[] {0, none, none}, scores);
    scores = new double[3];
    TokenRules.NONE.minTokens(2).apply(scores, new int[] {0, 0}, 2, Set.of(1, 2), 0);
    assertArrayEquals(new double[3], scores);
    scores = new double[] {1, 2, 3};
    TokenRules odd = TokenRules.NONE.allowed((text, tokens) -> new int[] {text, tokens[0]});
    odd.apply(scores, new int[] {2}, 0, Set.of(), 1);
    assertArrayEquals(new double[] {none, 2, 3}, scores);
    assertThrows(IllegalArgumentException.class, () -> TokenRules.NONE.repetitionPenalty(0));
    assertThrows(
        IllegalStateException.class,
        () ->
            TokenRules.NONE
                .allowed((text, tokens) -> new int[] {9})
                .apply(new double[3], new int[] {0}, 0, Set.of(), 0));
  }
}
