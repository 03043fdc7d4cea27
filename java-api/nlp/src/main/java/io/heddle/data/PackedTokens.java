package io.heddle.data;

import java.util.Arrays;
import java.util.SplittableRandom;

/**
 * Tokens of all documents end to end, cut to rows. An epoch starts at a random phase and visits its rows in a random order; both are drawn
 * from (seed, epoch), so the batch of a number is a pure function of it: a resumed run needs to remember nothing else.
 */
public final class PackedTokens {
  private final int[] tokens;
  private final int length;
  private final int rows;
  private final long seed;
  private final int rowsPerEpoch;
  private long epoch = -1;
  private int phase;
  private int[] order = new int[0];

  /**
   * Packs.
   *
   * @param tokens all tokens, at least {@code length + 1}
   * @param length tokens of a row, T
   * @param rows rows of a batch, B
   */
  public PackedTokens(int[] tokens, int length, int rows, long seed) {
    if (tokens.length < length + 1) {
      throw new IllegalArgumentException(
          "the text has " + tokens.length + " tokens; rows of " + length + " need at least " + (length + 1));
    }
    this.tokens = tokens;
    this.length = length;
    this.rows = rows;
    this.seed = seed;
    this.rowsPerEpoch = Math.max(1, (tokens.length - length - 1) / length);
  }

  /** Number of batches in which every token is seen about once. */
  public double batchesPerEpoch() {
    return (double) tokens.length / length / rows;
  }

  /** The batch with this number. */
  public synchronized TokenBatch batch(long number) {
    int[] ids = new int[rows * length];
    int[] targets = new int[rows * length];
    for (int r = 0; r < rows; r++) {
      long row = number * rows + r;
      enter(row / rowsPerEpoch);
      int from = phase + order[(int) (row % rowsPerEpoch)] * length;
      System.arraycopy(tokens, from, ids, r * length, length);
      System.arraycopy(tokens, from + 1, targets, r * length, length);
    }
    return new TokenBatch(rows, ids, targets, null);
  }

  private void enter(long wanted) {
    if (epoch == wanted) {
      return;
    }
    epoch = wanted;
    SplittableRandom random = new SplittableRandom(seed ^ (wanted * 0x9E3779B97F4A7C15L + 1));
    phase = random.nextInt(Math.max(1, Math.min(length, tokens.length - rowsPerEpoch * length)));
    order = new int[rowsPerEpoch];
    Arrays.setAll(order, i -> i);
    for (int i = rowsPerEpoch - 1; i > 0; i--) {
      int j = random.nextInt(i + 1);
      int swap = order[i];
      order[i] = order[j];
      order[j] = swap;
    }
  }
}
