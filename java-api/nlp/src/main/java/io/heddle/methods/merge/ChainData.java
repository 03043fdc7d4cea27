package io.heddle.methods.merge;

import io.heddle.data.TokenBatch;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.LongFunction;
import java.util.stream.IntStream;

/**
 * Sources whose truth is known: source k emits a tag and then symbols of a Markov chain of first
 * order with logits G + S_k, G ~ N(0, 1) shared, S_k ~ 1.5 N(0, 1) its own. What the true chain
 * itself costs on the test rows is taken off each loss, so that 0 is perfect.
 */
final class ChainData {
  private static final int CHAINS = 12;
  private static final int RARE = 5; // four sources, and the one that comes later
  private static final int SYMBOLS = 32;
  private static final int LENGTH = 32;
  private static final double OWN = 1.5;

  private final double[][][] logProbabilities = new double[CHAINS][SYMBOLS][SYMBOLS];
  private final long seed;

  private ChainData(long seed) {
    this.seed = seed;
    SplittableRandom random = new SplittableRandom(seed);
    double[][] shared = normal(random, 1);
    for (double[][] chain : logProbabilities) {
      double[][] own = normal(random, OWN);
      for (int a = 0; a < SYMBOLS; a++) {
        double sum = 0;
        for (int b = 0; b < SYMBOLS; b++) {
          chain[a][b] = shared[a][b] + own[a][b];
          sum += Math.exp(chain[a][b]);
        }
        for (int b = 0; b < SYMBOLS; b++) {
          chain[a][b] -= Math.log(sum);
        }
      }
    }
  }

  private static double[][] normal(SplittableRandom random, double deviation) {
    double[][] out = new double[SYMBOLS][SYMBOLS];
    for (double[] row : out) {
      Arrays.setAll(row, i -> deviation * random.nextGaussian());
    }
    return out;
  }

  /**
   * The data of a seed: other chains for each.
   *
   * @param validationTokens of each source
   * @param testTokens of each source
   */
  static StudyData of(long seed, int validationTokens, int testTokens) {
    ChainData chains = new ChainData(seed);
    List<TrainingSource> all =
        IntStream.range(0, CHAINS)
            .mapToObj(k -> chains.source(k, validationTokens / LENGTH, testTokens / LENGTH))
            .toList();
    double[] shares = new double[CHAINS];
    Arrays.setAll(shares, k -> k < RARE ? StudyData.SEEN : 1);
    return new StudyData(
        CHAINS + SYMBOLS,
        LENGTH,
        TrainingSource.mixture(all, shares),
        all.subList(0, RARE - 1),
        all.get(RARE - 1),
        null,
        null);
  }

  private TrainingSource source(int chain, int validationRows, int testRows) {
    // Held-out rows have seeds of their own; rows are so many that none comes twice.
    List<TokenBatch> test = batches(chain, seed + 2, testRows);
    double nats = 0;
    for (TokenBatch batch : test) {
      nats += truth(chain, batch);
    }
    return new TrainingSource(
        "chain " + chain,
        1,
        (of, rows) -> rows(chain, of, rows),
        batches(chain, seed + 1, validationRows),
        test,
        nats / test.stream().mapToLong(b -> b.ids().length).sum());
  }

  private double truth(int chain, TokenBatch batch) {
    double nats = 0;
    for (int at = 0; at < batch.ids().length; at++) {
      int target = batch.targets()[at] - CHAINS;
      nats -=
          at % LENGTH == 0
              ? -Math.log(SYMBOLS)
              : logProbabilities[chain][batch.ids()[at] - CHAINS][target];
    }
    return nats;
  }

  private List<TokenBatch> batches(int chain, long of, int rows) {
    int each = 64;
    List<TokenBatch> out = new ArrayList<>();
    for (int first = 0; first < rows; first += each) {
      out.add(rows(chain, ~of, Math.min(each, rows - first)).apply(first));
    }
    return out;
  }

  private LongFunction<TokenBatch> rows(int chain, long of, int rows) {
    return number -> {
      SplittableRandom random =
          new SplittableRandom(
              (of * 31 + chain) * 0x9E3779B97F4A7C15L + number * 0xD1B54A32D192ED03L);
      int[] ids = new int[rows * LENGTH];
      int[] targets = new int[ids.length];
      for (int r = 0; r < rows; r++) {
        int symbol = random.nextInt(SYMBOLS);
        ids[r * LENGTH] = chain;
        targets[r * LENGTH] = CHAINS + symbol;
        for (int i = 1; i < LENGTH; i++) {
          ids[r * LENGTH + i] = CHAINS + symbol;
          symbol = next(logProbabilities[chain][symbol], random.nextDouble());
          targets[r * LENGTH + i] = CHAINS + symbol;
        }
      }
      return new TokenBatch(rows, ids, targets, null);
    };
  }

  private static int next(double[] logs, double at) {
    int symbol = 0;
    double left = at - Math.exp(logs[0]);
    while (left >= 0 && symbol + 1 < SYMBOLS) {
      left -= Math.exp(logs[++symbol]);
    }
    return symbol;
  }
}
