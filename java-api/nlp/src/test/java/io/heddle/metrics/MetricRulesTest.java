package io.heddle.metrics;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class MetricRulesTest {
  @Test
  void gramsCountEveryRun() {
    Random random = new Random(5);
    for (int round = 0; round < 200; round++) {
      int[] symbols = random.ints(random.nextInt(90), 0, 3).toArray();
      Grams grams = new Grams(4);
      int[] counts = grams.count(symbols);
      double[] selfMatches = new double[4];
      grams.matches(counts, counts, selfMatches, 0);
      for (int n = 1; n <= 4; n++) {
        assertEquals(Grams.total(symbols.length, n), (int) selfMatches[n - 1]);
      }
      // Counted again they have the same numbers, in reverse order other ones.
      assertEquals(List.of(), differences(counts, grams.count(symbols)));
    }
  }

  private static List<Integer> differences(int[] a, int[] b) {
    List<Integer> out = new ArrayList<>();
    for (int i = 0; i < Math.max(a.length, b.length); i++) {
      if ((i < a.length ? a[i] : 0) != (i < b.length ? b[i] : 0)) {
        out.add(i);
      }
    }
    return out;
  }

  @Test
  void emptyCorporaAndMissingReferences() {
    assertEquals(0, new Tally<>(Bleu.standard()).score().value());
    assertEquals(0, new Tally<>(new Squad(SquadAnswers.SQUAD)).score().value());
    for (TextMetric<?> metric :
        List.of(
            Bleu.standard(),
            ChrF.plusPlus(),
            Ter.standard(),
            new Rouge("L", true),
            Squad.standard())) {
      var none = assertThrows(IllegalArgumentException.class, () -> metric.count("a", List.of()));
      assertTrue(none.toString().endsWith("a segment has no reference"), none.toString());
      assertEquals(metric.width(), metric.count("", List.of("")).length);
    }
  }

  @Test
  void talliesOfDifferentMetricsDoNotMix() {
    Tally<BleuScore> cased = new Tally<>(Bleu.standard());
    Tally<BleuScore> lower = new Tally<>(Bleu.standard().lowerCased(true));
    assertThrows(IllegalArgumentException.class, () -> cased.merge(lower));
    cased.add("a b", List.of("a b"));
    assertTrue(cased.signature().startsWith("nrefs:1|"));
    cased.add("a b", List.of("a b", "b"));
    assertTrue(cased.signature().startsWith("nrefs:var|"), cased.signature());
    assertEquals(2, cased.merge(new Tally<>(Bleu.standard())).segments());
  }

  @Test
  void wrongNamesAndNumbersAreSaid() {
    assertThrows(IllegalArgumentException.class, () -> BleuTokenizer.of("ja-mecab"));
    assertThrows(IllegalArgumentException.class, () -> Smoothing.of("laplace"));
    assertThrows(IllegalArgumentException.class, () -> new Rouge("X", false));
    assertThrows(IllegalArgumentException.class, () -> new Confusion(2).add(2, 0));
    assertThrows(IllegalArgumentException.class, () -> new Calibration(15).add(1.5, true));
    assertThrows(IllegalArgumentException.class, () -> new Calibration(15).add(Double.NaN, true));
    assertThrows(IllegalArgumentException.class, () -> new PassAtK().add(2, 3));
    assertThrows(IllegalArgumentException.class, () -> new PassAtK().add(2, 1).score(3));
    assertThrows(
        IllegalArgumentException.class,
        () -> Bootstrap.standard().paired(Ter.standard(), List.of(), List.of(new double[2])));
  }

  @Test
  void correlationOfAConstantIsNotANumber() {
    Correlation constant = new Correlation().add(1, 1).add(1, 2).add(1, 3);
    assertTrue(Double.isNaN(constant.score().pearson()));
    assertEquals(0, new Confusion(2).add(1, 1).add(1, 0).score().matthews());
    assertTrue(Double.isNaN(new Ranking().add(1, true).score().rocAuc()));
  }

  @Test
  void binsHoldTheirUpperEnd() {
    Calibration four = new Calibration(4).add(0, false).add(0.25, false).add(0.26, true);
    assertEquals(2, four.bin(0).examples());
    assertEquals(1, four.bin(1).examples());
    assertEquals(0.125, four.bin(0).confidence());
    assertEquals(0.74, four.score().largest(), 1e-12);
  }

  @Test
  void likelihoodsAdd() {
    Likelihood sum = new Likelihood(Math.log(4) * 3, 3, 6).plus(new Likelihood(0, 0, 0));
    assertEquals(4, sum.perplexity(), 1e-12);
    assertEquals(1, sum.bitsPerByte(), 1e-12);
  }

  @Test
  void decimalsRoundAsInC() {
    assertEquals("0.1", Digits.of(0.125, 1));
    assertEquals("12.2", Digits.of(12.25, 1));
    assertEquals("2.67", Digits.of(2.675, 2));
    assertEquals("nan", Digits.of(Double.NaN, 2));
  }

  // No timing: a quadratic step would take minutes.
  @Test
  void aHundredThousandPairsAreNothing() {
    Random random = new Random(1);
    List<String> lines = new ArrayList<>();
    for (int i = 0; i < 1000; i++) {
      StringBuilder line = new StringBuilder();
      for (int w = 0; w < 25; w++) {
        line.append("word").append(random.nextInt(400)).append(w % 9 == 8 ? ", " : " ");
      }
      lines.add(line.append('.').toString());
    }
    Tally<BleuScore> tally = new Tally<>(Bleu.standard());
    assertTimeoutPreemptively(
        Duration.ofSeconds(60),
        () -> {
          for (int i = 0; i < 100_000; i++) {
            tally.add(lines.get(i % 1000), List.of(lines.get((i + i % 2) % 1000)));
          }
        });
    assertEquals(100_000, tally.segments());
    assertTrue(tally.score().value() > 45, tally.score().toString());
  }
}
