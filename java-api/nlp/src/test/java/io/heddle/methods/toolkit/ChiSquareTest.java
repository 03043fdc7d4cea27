package io.heddle.methods.toolkit;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;

/** The test's answers against known quantiles and closed forms. */
class ChiSquareTest {
  // Counts of so many kinds whose statistic is `x`: all equal but for one pair.
  private static double tail(int kinds, double x) {
    long each = 100_000_000;
    long[] counts = new long[kinds];
    double[] odds = new double[kinds];
    java.util.Arrays.fill(counts, each);
    java.util.Arrays.fill(odds, 1.0 / kinds);
    long off = Math.round(Math.sqrt(x * each / 2));
    counts[0] += off;
    counts[1] -= off;
    return ChiSquare.tail(counts, odds);
  }

  @Test
  void quantiles() {
    assertEquals(0.05, tail(2, 3.841458820694124), 1e-5);
    assertEquals(0.001, tail(6, 20.515005652432876), 1e-6);
    assertEquals(0.99, tail(11, 2.558212186), 1e-4);
    assertEquals(0.01, tail(11, 23.20925116), 1e-5);
    // With two degrees of freedom it is exp(-x / 2).
    assertEquals(Math.exp(-40), tail(3, 80), 1e-3 * Math.exp(-40));
  }

  @Test
  void whatHasNoOdds() {
    assertEquals(0, ChiSquare.tail(new long[] {5, 5, 1}, new double[] {0.5, 0.5, 0}));
    assertEquals(1, ChiSquare.tail(new long[] {5, 5, 0}, new double[] {0.5, 0.5, 0}), 1e-12);
    assertEquals(1, ChiSquare.tail(new long[] {9, 0}, new double[] {1, 0}));
  }
}
