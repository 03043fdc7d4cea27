package io.heddle.methods.merge;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.data.TokenBatch;
import java.util.List;
import java.util.function.LongFunction;
import org.junit.jupiter.api.Test;

class TrainingSourceTest {
  @Test
  void chainsAreTheSameForASeedAndTheirTruthIsTheFloor() {
    StudyData one = ChainData.of(5, 1024, 4096);
    StudyData same = ChainData.of(5, 1024, 4096);
    assertEquals(4, one.sources().size());
    for (int i = 0; i < 4; i++) {
      TrainingSource source = one.sources().get(i);
      assertEquals(source.floor(), same.sources().get(i).floor());
      // Below the entropy of 32 symbols that are all alike, above that of a constant.
      assertTrue(source.floor() > 1 && source.floor() < Math.log(32), "floor " + source.floor());
      assertEquals(1024, source.validationTokens());
      assertEquals(i, source.test().getFirst().ids()[0], "a row begins with its chain's tag");
    }
    assertTrue(
        ChainData.of(6, 64, 64).sources().getFirst().floor() != one.sources().getFirst().floor());
  }

  @Test
  void aBatchIsAFunctionOfItsNumber() {
    TrainingSource source = ChainData.of(1, 64, 64).sources().getFirst();
    LongFunction<TokenBatch> batches = source.rows().batches(9, 4);
    int[] third = batches.apply(3).ids();
    assertEquals(4, batches.apply(0).rows());
    assertArrayEquals(third, batches.apply(3).ids());
    assertArrayEquals(third, source.rows().batches(9, 4).apply(3).ids());
  }

  @Test
  void mixturesDrawByTheirShares() {
    List<TrainingSource> sources = ChainData.of(1, 64, 64).sources();
    LongFunction<TokenBatch> mixed =
        TrainingSource.mixture(sources, new double[] {3, 0, 1, 0}).batches(2, 8);
    int[] count = new int[4];
    for (int b = 0; b < 100; b++) {
      TokenBatch batch = mixed.apply(b);
      assertEquals(8, batch.rows());
      for (int r = 0; r < 8; r++) {
        count[batch.ids()[r * 32]]++;
      }
    }
    assertEquals(0, count[1] + count[3]);
    assertEquals(600, count[0], 60, "three quarters of 800 rows");
  }
}
