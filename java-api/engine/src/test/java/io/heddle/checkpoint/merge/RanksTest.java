package io.heddle.checkpoint.merge;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Selection against a stable sort, whether the last bucket is small or not. */
class RanksTest {
  private static final int BLOCK = 97;

  @ParameterizedTest
  @ValueSource(longs = {0, 5, Ranks.FEW})
  void sameElementsAsASort(long few) {
    Random random = new Random(few);
    for (int round = 0; round < 300; round++) {
      int n = 2 + random.nextInt(3000);
      double[] values = new double[n];
      int kind = random.nextInt(4);
      for (int i = 0; i < n; i++) {
        values[i] =
            switch (kind) {
              case 0 -> random.nextGaussian();
              case 1 -> random.nextInt(4) - 2; // hardly anything but ties
              case 2 -> Math.scalb(random.nextGaussian(), random.nextInt(600) - 300);
              default -> 1 + (random.nextBoolean() ? Math.ulp(1.0) * random.nextInt(3) : 0);
            };
      }
      int blocks = (n + BLOCK - 1) / BLOCK;
      long[] wanted = {1 + random.nextInt(n - 1), 1 + random.nextInt(n - 1)};
      Ranks ranks = new Ranks(new long[][] {{}, wanted}, blocks, 3, few);
      int passes = 0;
      for (; ranks.wantsPass(); passes++) {
        List<Integer> order = new ArrayList<>();
        for (int b = 0; b < blocks; b++) {
          order.add(b);
        }
        Collections.shuffle(order, random);
        for (int b : order) {
          double[] block = Arrays.copyOfRange(values, b * BLOCK, Math.min(n, (b + 1) * BLOCK));
          ranks.observe(1, block, block.length, b, random.nextInt(3));
        }
        ranks.passed();
      }
      assertTrue(passes >= 2 && passes <= 5, passes + " passes");
      List<Integer> sorted = Formulas.ascending(values);
      for (int cut = 0; cut < 2; cut++) {
        boolean[] below = new boolean[n];
        sorted.subList(0, (int) wanted[cut]).forEach(i -> below[i] = true);
        for (int b = blocks - 1; b >= 0; b--) {
          Ranks.Walk walk = ranks.walk(1, cut, b);
          for (int i = b * BLOCK; i < Math.min(n, (b + 1) * BLOCK); i++) {
            assertEquals(below[i], walk.below(values[i]), "element " + i + " of kind " + kind);
          }
        }
      }
    }
  }
}
