package io.heddle.data;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;

/**
 * Texts side by side in pieces of varying length, as AWD-LSTM is trained (Merity et al. 2018): of
 * each piece first a base is drawn, {@code usual} with probability 0.95 or its half, then the
 * length from a normal distribution round it with deviation 5, at least 5. The pieces of an epoch
 * are a function of the seed and the epoch; each begins where the last one ended.
 */
public final class VariablePieces {
  private static final double USUAL_SHARE = 0.95;
  private static final double DEVIATION = 5;
  private static final int LEAST = 5;

  private final int[] table; // [T, rows]
  private final int rows;
  private final int usual;
  private final long seed;
  private final List<int[]> epochs = new ArrayList<>(); // where each piece of an epoch begins
  private long counted; // pieces of the epochs so far

  /**
   * A piece.
   *
   * @param tokens inputs and their successors
   * @param first whether it begins an epoch, so that there is no state before it
   */
  public record Piece(BpttBatch tokens, boolean first) {}

  /**
   * Pieces of a corpus.
   *
   * @param usual usual length
   */
  public VariablePieces(int[] corpus, int rows, int usual, long seed) {
    this.table = LanguageModelBatches.columns(corpus, rows);
    this.rows = rows;
    this.usual = usual;
    this.seed = seed;
    if (usual < LEAST || table.length / rows < 2) {
      throw new IllegalArgumentException(
          corpus.length
              + " tokens in "
              + rows
              + " rows make no pieces of about "
              + usual
              + " (at least "
              + LEAST
              + ") tokens");
    }
  }

  private int[] borders(long epoch) {
    SplittableRandom random = new SplittableRandom(Mix.hash(Mix.hash(seed) + epoch));
    int steps = table.length / rows;
    int[] out = new int[steps];
    int count = 0;
    for (int at = 0; at < steps - 1; count++) {
      out[count] = at;
      double base = random.nextDouble() < USUAL_SHARE ? usual : usual / 2.0;
      int drawn = (int) Math.floor(base + DEVIATION * random.nextGaussian());
      at += Math.max(LEAST, drawn);
    }
    out[count] = steps - 1;
    return Arrays.copyOf(out, count + 1);
  }

  /** Pieces of the first {@code count} epochs. */
  public long count(int count) {
    while (epochs.size() < count) {
      int[] next = borders(epochs.size());
      epochs.add(next);
      counted += next.length - 1;
    }
    return epochs.stream().limit(count).mapToLong(e -> e.length - 1).sum();
  }

  /** Piece {@code number}, counted over all epochs. */
  public Piece piece(long number) {
    while (counted <= number) {
      count(epochs.size() + 1);
    }
    long left = number;
    for (int[] epoch : epochs) {
      if (left < epoch.length - 1) {
        int i = (int) left;
        return new Piece(tokens(epoch[i], epoch[i + 1]), i == 0);
      }
      left -= epoch.length - 1;
    }
    throw new AssertionError("piece " + number + " of " + counted);
  }

  private BpttBatch tokens(int from, int to) {
    return new BpttBatch(
        to - from,
        rows,
        Arrays.copyOfRange(table, from * rows, to * rows),
        Arrays.copyOfRange(table, (from + 1) * rows, (to + 1) * rows));
  }
}
