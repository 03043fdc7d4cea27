package io.heddle.methods.longrange;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.methods.longrange.CostModel.Cost;
import io.heddle.methods.longrange.CostModel.Shape;
import io.heddle.methods.longrange.SchedulePlanner.Budget;
import io.heddle.methods.longrange.SchedulePlanner.Choice;
import io.heddle.models.Schedule;
import io.heddle.models.Schedule.Placement;
import io.heddle.op.pattern.AttentionPattern;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/** Costs against the published table and formulas, and against pairs counted one by one. */
class CostModelTest {
  private static final Shape GPT_NEO = Shape.plain(24, 2048, 16);

  private static Cost cost(int length, int full, String sparse) {
    return new CostModel(GPT_NEO, length, 2).of(Schedule.mixed(24, full, Placement.BOTTOM, sparse));
  }

  private static String ratio(double value) {
    return String.format(Locale.ROOT, "%.3f", value);
  }

  /** C(l) of 24 layers, to its three places. */
  @Test
  void attentionOfTheTable() {
    int[] full = {0, 2, 4, 6, 8, 12};
    String[][] expected = {
      {"8192", "512", "0.063", "0.141", "0.219", "0.297", "0.375", "0.531"},
      {"8192", "1024", "0.125", "0.198", "0.271", "0.344", "0.417", "0.563"},
      {"16384", "1024", "0.063", "0.141", "0.219", "0.297", "0.375", "0.531"}
    };
    for (String[] row : expected) {
      for (int i = 0; i < full.length; i++) {
        Cost cost = cost(Integer.parseInt(row[0]), full[i], "block:" + row[1]);
        assertEquals(row[i + 2], ratio(cost.attention()), row[0] + ", " + row[1] + ", " + full[i]);
      }
    }
    // The exact causal form, and its reach.
    assertEquals(
        (4 * 8193.0 + 20 * 1025) / (24 * 8193), cost(8192, 4, "block:1024").attention(), 1e-12);
    assertTrue(1 - cost(8192, 4, "block:1024").attention() > 0.72);
  }

  /** 24 d^2 a token and layer, and 2 (n + 1) d for causal attention: a quarter at n = 8192. */
  @Test
  void wholeModel() {
    Cost all = cost(8192, 24, "block:1024");
    double d = 2048;
    double n = 8192;
    assertEquals(24 * n * (24 * d * d + 2 * (n + 1) * d), all.flops(), 1e-9 * all.flops());
    assertEquals(0.25, 2 * (n + 1) * d / (24 * d * d + 2 * (n + 1) * d), 1e-4);
    assertEquals(1, all.model());
    Cost mixed = cost(8192, 4, "block:1024");
    assertEquals(1 - 0.25 * (1 - mixed.attention()), mixed.model(), 1e-4);
    assertEquals(0.18, 1 - mixed.model(), 0.005);
  }

  @Test
  void keysAndValues() {
    long column = 2L * 2048 * 2;
    assertEquals(24 * 8192 * column, cost(8192, 24, "window:512").cache());
    assertEquals((4 * 8192 + 20 * 512) * column, cost(8192, 4, "window:512").cache());
    assertEquals((4 * 8192 + 20 * 1024) * column, cost(8192, 4, "block:512/1").cache());
    assertEquals(24 * 8192 * column, cost(8192, 4, "window:512|global:4").cache());
    assertEquals(24 * 100 * column, cost(100, 4, "window:512").cache());
    Shape grouped = new Shape(2, 64, 8, 2, 8, 192, true, 1000);
    Cost cost = new CostModel(grouped, 10, 4).of("full");
    assertEquals(2 * 10 * 2L * 2 * 8 * 4, cost.cache());
    double linear = 2 * (2.0 * 64 * 96 + 2 * 64 * 64 + 6 * 64 * 192) + 2 * 64 * 1000;
    assertEquals(10 * linear + 4 * 8 * 55 * 8 * 2, cost.flops(), 1e-6);
  }

  @Test
  void pairsOneByOne() {
    String[] patterns = {
      "full",
      "window:7",
      "window:100",
      "block:16",
      "block:10/2",
      "dilated:30/3",
      "global:5",
      "window:9|global:3",
      "window:70|dilated:150/8"
    };
    for (String text : patterns) {
      AttentionPattern pattern = Schedule.pattern(text);
      for (int n : new int[] {1, 63, 64, 65, 200}) {
        long count = 0;
        for (int q = 0; q < n; q++) {
          for (int k = 0; k < n; k++) {
            count += pattern.allows(q, k) ? 1 : 0;
          }
        }
        assertEquals(count, Pairs.of(pattern, n), text + ", " + n);
      }
    }
    Schedule heads = Schedule.parse("full,window:4@1#0", 2, 3);
    assertEquals(5 * 210 + Pairs.of(Schedule.pattern("window:4"), 20), Pairs.of(heads, 20));
  }

  @Test
  void proposals() {
    SchedulePlanner planner = new SchedulePlanner(GPT_NEO, 8192, 2, Placement.BOTTOM);
    List<Choice> choices = planner.choices(5, "window:512");
    assertEquals(0, choices.getFirst().full());
    assertEquals("full", choices.getLast().schedule());
    assertTrue(choices.stream().anyMatch(c -> c.full() == 5));
    for (int i = 1; i < choices.size(); i++) {
      assertTrue(choices.get(i).cost().flops() > choices.get(i - 1).cost().flops());
      assertTrue(choices.get(i).cost().cache() > choices.get(i - 1).cost().cache());
    }
    for (int full : new int[] {0, 3, 24}) {
      Cost exact = planner.choice(full, "window:512").cost();
      Budget budget = new Budget(exact.flops(), Double.POSITIVE_INFINITY);
      assertEquals(full, found(planner.propose(budget, "window", 512)).full());
      budget = new Budget(Double.POSITIVE_INFINITY, exact.cache());
      assertEquals(full, found(planner.propose(budget, "window", 512)).full());
    }
    // Too little for windows of 512: those of 128 do.
    double bytes = planner.choice(0, "window:128").cost().cache() + 1;
    Budget tight = new Budget(Double.POSITIVE_INFINITY, bytes);
    assertEquals("window:128", found(planner.propose(tight, "window", 512)).schedule());
    assertNull(planner.propose(new Budget(1, 1), "window", 512));
    assertThrows(IllegalArgumentException.class, () -> Shape.plain(2, 10, 3));
  }

  private static Choice found(@Nullable Choice choice) {
    return Objects.requireNonNull(choice, "a proposal");
  }
}
