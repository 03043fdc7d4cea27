package io.heddle.models;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.InputStream;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** Searches on table models against {@code search.json}, which {@code make_search.py} writes. */
class BeamSearchTest {
  private static final int END = 4;
  private static final int[][] START = {{0}};

  static JsonNode read(String name) throws IOException {
    try (InputStream in = BeamSearchTest.class.getResourceAsStream(name)) {
      return new ObjectMapper().readTree(in);
    }
  }

  private static TableModel model(JsonNode node) {
    double[][] table = new double[node.size()][node.size()];
    for (int i = 0; i < table.length; i++) {
      for (int j = 0; j < table.length; j++) {
        table[i][j] = node.get(i).get(j).asDouble();
      }
    }
    return new TableModel(table);
  }

  private static int[] ints(JsonNode list) {
    int[] out = new int[list.size()];
    Arrays.setAll(out, i -> list.get(i).asInt());
    return out;
  }

  private static List<Hypothesis> search(
      NextTokenModel model, int beams, int longest, BeamScoring scoring) {
    BeamSearch.Options options =
        BeamSearch.Options.of(beams, longest, Set.of(END), scoring).nBest(beams);
    return new BeamSearch(options).search(model, START).getFirst();
  }

  private static boolean unique(List<Hypothesis> found, double score) {
    return found.stream().filter(h -> Math.abs(h.score() - score) < 1e-5).count() == 1;
  }

  @Test
  void normalisedScoresAsTheMethodSays() throws IOException {
    int cases = 0;
    int unique = 0;
    for (JsonNode each : read("search.json")) {
      TableModel model = model(each.path("table"));
      for (JsonNode c : each.path("gluon")) {
        BeamScoring scoring =
            new BeamScoring.Normalised(c.path("alpha").asDouble(), c.path("k").asDouble());
        List<Hypothesis> found =
            search(model, c.path("beams").asInt(), c.path("longest").asInt(), scoring);
        int rank = 0;
        for (JsonNode wanted : c.path("found")) {
          if (wanted.path("score").asDouble() < -1e12) {
            continue; // a beam that never began
          }
          Hypothesis h = found.get(rank++);
          int[] sample = ints(wanted.path("sample"));
          int valid = wanted.path("valid").asInt();
          // Texts of the same steps in another order have one score, and may change places.
          if (unique(found, h.score())) {
            assertArrayEquals(Arrays.copyOfRange(sample, 1, valid), h.tokens(), c.toString());
            unique++;
          }
          assertEquals(wanted.path("score").asDouble(), h.score(), 1e-5, c.toString());
        }
        assertEquals(rank, found.size());
        cases++;
      }
    }
    assertEquals(5 * 37, cases);
    assertTrue(unique > 500, unique + " texts compared token by token");
  }

  @Test
  void aWideBeamIsExhaustive() throws IOException {
    for (JsonNode each : read("search.json")) {
      for (JsonNode c : each.path("brute")) {
        // 4^3 texts have not ended after three tokens.
        List<Hypothesis> found =
            search(
                model(each.path("table")),
                125,
                c.path("longest").asInt(),
                new BeamScoring.Normalised(c.path("alpha").asDouble(), 5));
        assertArrayEquals(ints(c.path("best").path("tokens")), found.getFirst().tokens());
        assertEquals(c.path("best").path("score").asDouble(), found.getFirst().score(), 1e-5);
      }
    }
  }

  // Two beams, by hand: p(1) = 0.6, p(end) = 0.4 at first; after 1: p(end) = 0.9, p(1) = 0.1.
  @Test
  void anEndedBeamKeepsItsScore() {
    double never = Math.log(1e-30);
    double[][] table = new double[5][5];
    for (double[] row : table) {
      Arrays.fill(row, never);
    }
    table[0][1] = Math.log(0.6);
    table[0][END] = Math.log(0.4);
    table[1][END] = Math.log(0.9);
    table[1][1] = Math.log(0.1);
    List<Hypothesis> found = search(new TableModel(table), 2, 5, new BeamScoring.Normalised(1, 5));
    assertArrayEquals(new int[] {1, END}, found.get(0).tokens());
    assertEquals(Math.log(0.54) * 6 / 7, found.get(0).score(), 1e-5); // lp(2) = 7/6
    assertArrayEquals(new int[] {END}, found.get(1).tokens());
    assertEquals(Math.log(0.4), found.get(1).score(), 1e-5); // lp(1) = 1
    // Cut after one token: the end is free.
    List<Hypothesis> cut = search(new TableModel(table), 2, 1, BeamScoring.Normalised.DEFAULT);
    assertArrayEquals(new int[] {1, END}, cut.get(0).tokens());
    assertEquals(Math.log(0.6), cut.get(0).score(), 1e-5);
    assertFalse(cut.get(0).ended());
    assertTrue(cut.get(1).ended());
  }

  @Test
  void groupsAvoidEachOther() throws IOException {
    int cases = 0;
    for (JsonNode each : read("search.json")) {
      for (JsonNode c : each.path("diverse")) {
        BeamScoring scoring =
            new BeamScoring.Diverse(
                c.path("groups").asInt(),
                c.path("diversity").asDouble(),
                new BeamScoring.HuggingFace(
                    c.path("penalty").asDouble(), BeamScoring.Stopping.LIKELY));
        List<Hypothesis> found =
            search(
                model(each.path("table")),
                c.path("beams").asInt(),
                c.path("longest").asInt(),
                scoring);
        assertEquals(c.path("found").size(), found.size(), c.toString());
        for (int i = 0; i < found.size(); i++) {
          JsonNode wanted = c.path("found").get(i);
          assertEquals(wanted.path("score").asDouble(), found.get(i).score(), 1e-5, c.toString());
          if (unique(found, found.get(i).score())) {
            assertArrayEquals(ints(wanted.path("tokens")), found.get(i).tokens(), c.toString());
          }
        }
        cases++;
      }
    }
    assertEquals(5 * 12, cases);
    BeamScoring uneven = new BeamScoring.Diverse(2, 1, BeamScoring.HuggingFace.DEFAULT);
    TableModel any = model(read("search.json").get(0).path("table"));
    assertThrows(IllegalArgumentException.class, () -> search(any, 3, 4, uneven));
  }

  // Kool et al.: the order of the texts is that of draws without replacement from the model.
  @Test
  void stochasticBeamsDrawWithoutReplacement() throws IOException {
    TableModel model = model(read("search.json").get(1).path("table"));
    int longest = 2;
    Map<String, Double> p = new HashMap<>();
    for (int a = 0; a < 5; a++) {
      double first = Math.exp(model.table()[0][a]);
      for (int b = 0; a != END && b < 5; b++) {
        p.put("[" + a + ", " + b + "]", first * Math.exp(model.table()[a][b]));
      }
      if (a == END) {
        p.put("[4]", first);
      }
    }
    int draws = 4000;
    Map<String, Integer> firsts = new HashMap<>();
    Map<String, Integer> seconds = new HashMap<>();
    for (int seed = 0; seed < draws; seed++) {
      List<Hypothesis> two = search(model, 2, longest, new BeamScoring.Stochastic(seed));
      String one = Arrays.toString(two.get(0).tokens());
      String other = Arrays.toString(two.get(1).tokens());
      assertFalse(one.equals(other));
      assertEquals(
          Math.log(java.util.Objects.requireNonNull(p.get(one))),
          two.get(0).logProbability(),
          1e-4);
      assertTrue(two.get(0).score() > two.get(1).score());
      firsts.merge(one, 1, Integer::sum);
      seconds.merge(other, 1, Integer::sum);
    }
    double chiFirst = 0;
    double chiSecond = 0;
    for (Map.Entry<String, Double> text : p.entrySet()) {
      double q = text.getValue();
      double second = 0;
      for (Map.Entry<String, Double> before : p.entrySet()) {
        if (!before.getKey().equals(text.getKey())) {
          second += before.getValue() * q / (1 - before.getValue());
        }
      }
      chiFirst += Math.pow(firsts.getOrDefault(text.getKey(), 0) - draws * q, 2) / (draws * q);
      chiSecond +=
          Math.pow(seconds.getOrDefault(text.getKey(), 0) - draws * second, 2) / (draws * second);
    }
    // 20 degrees of freedom: 45.3 is passed once in a thousand times; the seeds are fixed.
    assertTrue(chiFirst < 45.3, "first " + chiFirst);
    assertTrue(chiSecond < 45.3, "second " + chiSecond);
    // A beam as wide as the tree finds every text once.
    assertEquals(
        p.size(), search(model, p.size() + 5, longest, new BeamScoring.Stochastic(1)).size());
  }

  @Test
  void promptsDoNotChangeEachOther() throws IOException {
    JsonNode models = read("search.json");
    TableModel model = model(models.get(2).path("table"));
    List<BeamScoring> all =
        List.of(
            BeamScoring.Normalised.DEFAULT,
            BeamScoring.HuggingFace.DEFAULT,
            new BeamScoring.Diverse(2, 0.7, BeamScoring.HuggingFace.DEFAULT),
            new BeamScoring.Stochastic(5));
    int[][] prompts = {{0}, {3, 1}, {2}, {1, 1, 1}};
    int[] limits = {6, 2, 9, 4};
    for (BeamScoring scoring : all) {
      BeamSearch search =
          new BeamSearch(
              BeamSearch.Options.of(4, 9, Set.of(END), scoring)
                  .nBest(3)
                  .rules(TokenRules.NONE.repetitionPenalty(1.3)));
      List<List<Hypothesis>> together = search.search(model, prompts, limits);
      for (int p = 0; p < prompts.length; p++) {
        List<Hypothesis> alone =
            search.search(model, new int[][] {prompts[p]}, new int[] {limits[p]}).getFirst();
        assertEquals(alone, together.get(p), scoring.toString());
      }
    }
  }

  @Test
  void whatMakesNoSenseIsRefused() throws IOException {
    BeamScoring scoring = BeamScoring.Normalised.DEFAULT;
    assertThrows(
        IllegalArgumentException.class, () -> BeamSearch.Options.of(0, 5, Set.of(), scoring));
    assertThrows(
        IllegalArgumentException.class,
        () -> BeamSearch.Options.of(2, 5, Set.of(), scoring).nBest(3));
    assertThrows(IllegalArgumentException.class, () -> new BeamScoring.Normalised(Double.NaN, 5));
    TableModel none = new TableModel(new double[][] {{Double.NaN}});
    assertThrows(IllegalStateException.class, () -> search(none, 1, 3, scoring));
    TableModel model = model(read("search.json").get(0).path("table"));
    BeamSearch stuck =
        new BeamSearch(
            BeamSearch.Options.of(2, 5, Set.of(END), scoring)
                .rules(TokenRules.NONE.allowed((text, tokens) -> new int[0])));
    var e = assertThrows(IllegalStateException.class, () -> stuck.search(model, START));
    assertTrue(e.toString().contains("text 0"), e.toString());
  }
}
