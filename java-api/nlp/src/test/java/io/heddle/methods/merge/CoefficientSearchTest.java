package io.heddle.methods.merge;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class CoefficientSearchTest {
  private static final double[] BEST = {0.7, 0.35, 0.9};

  // A narrow valley: coordinates one at a time are not enough.
  private static double valley(double[] w) {
    double sum = 0;
    double along = 0;
    for (int i = 0; i < w.length; i++) {
      sum += (w[i] - BEST[i]) * (w[i] - BEST[i]);
      along += w[i] - BEST[i];
    }
    return sum + 5 * along * along;
  }

  @Test
  void sharedThenCoordinates() {
    CoefficientSearch search = new CoefficientSearch(CoefficientSearchTest::valley);
    assertArrayEquals(new double[] {0.6, 0.6, 0.6}, search.shared(3, 0.2, 0.6, 1));
    double shared = search.value();
    search.coordinates(0.2, 0.1);
    assertTrue(search.value() < shared);
    assertTrue(search.evaluations() <= 3 + 12);
  }

  @Test
  void theGridIsFull() {
    List<double[]> seen = new ArrayList<>();
    CoefficientSearch search =
        new CoefficientSearch(
            w -> {
              seen.add(w);
              return valley(w);
            });
    double[] best = search.grid(3, 0.3, 0.6, 0.9);
    assertEquals(27, seen.size());
    assertEquals(27, search.evaluations());
    double least = seen.stream().mapToDouble(CoefficientSearchTest::valley).min().orElseThrow();
    assertEquals(least, valley(best));
    search.grid(3, 0.3, 0.6, 0.9);
    assertEquals(27, seen.size(), "nothing is evaluated twice");
  }

  @Test
  void evolutionFindsTheValleysGround() {
    CoefficientSearch search = new CoefficientSearch(CoefficientSearchTest::valley, 300);
    search.shared(3, 0.5);
    double[] best = search.evolve(0.3, 1000, 1);
    assertEquals(300, search.evaluations(), "the budget is kept");
    assertTrue(search.value() < 1e-3, search.value() + " at " + Arrays.toString(best));
    CoefficientSearch again = new CoefficientSearch(CoefficientSearchTest::valley, 300);
    again.shared(3, 0.5);
    assertArrayEquals(best, again.evolve(0.3, 1000, 1));
    assertThrows(
        IllegalStateException.class,
        () -> new CoefficientSearch(CoefficientSearchTest::valley).evolve(1, 1, 1));
  }

  @Test
  void simplexPointsSumToOne() {
    SplittableRandom random = new SplittableRandom(3);
    for (int i = 0; i < 100; i++) {
      double[] point = CoefficientSearch.simplexPoint(4, random);
      assertEquals(1, Arrays.stream(point).sum(), 1e-12);
      assertTrue(Arrays.stream(point).allMatch(x -> x > 0));
    }
    CoefficientSearch search = new CoefficientSearch(CoefficientSearchTest::valley);
    assertEquals(1, Arrays.stream(search.simplex(3, 20, 1)).sum(), 1e-5);
  }

  @Test
  void noBudgetIsRefused() {
    assertThrows(
        IllegalArgumentException.class,
        () -> new CoefficientSearch(CoefficientSearchTest::valley, 0));
  }
}
