package io.heddle.methods.longrange;

import io.heddle.data.Mix;
import io.heddle.data.TokenBatch;
import java.util.BitSet;

/**
 * Passages of a row that stand again farther on, so far that only full attention leads back to
 * them: evidence by construction, in a text that is real otherwise. They take the place of what
 * stood there.
 */
final class Quotations {
  /** Tokens of one. */
  static final int LENGTH = 64;

  /** So many of its first tokens may be needed to tell that it is one. */
  static final int CUE = 8;

  private final int perRow;
  private final int length;
  private final long distance;

  /**
   * Quotations in rows.
   *
   * @param share of a row's tokens that are quoted; 0 for none
   * @param length tokens of a row
   * @param field tokens back that are too near for a quotation's source
   */
  Quotations(double share, int length, long field) {
    this.perRow = (int) Math.round(share * length / LENGTH);
    this.length = length;
    this.distance = field + LENGTH;
    if (perRow > 0 && perRow * (long) LENGTH > length - distance) {
      throw new IllegalArgumentException(
          "%d quotations of %d tokens, %d after their sources, do not fit into rows of %d tokens"
              .formatted(perRow, LENGTH, distance, length));
    }
  }

  /** Whether there are none. */
  boolean none() {
    return perRow == 0;
  }

  /**
   * A batch with quotations.
   *
   * @param batch as it was
   * @param foretold targets that a quotation foretells, as places of {@link TokenBatch#targets}
   */
  record Quoted(TokenBatch batch, BitSet foretold) {}

  /** Quotes in every row of a batch, at places that {@code random} draws; it is left as it is. */
  Quoted in(TokenBatch batch, Mix random) {
    int[] ids = batch.ids().clone();
    int[] targets = batch.targets().clone();
    BitSet foretold = new BitSet();
    for (int row = 0; row < batch.rows(); row++) {
      int start = row * length;
      for (int i = 0; i < perRow; i++) {
        // One in each of as many equal parts.
        long open = length - distance;
        int part = (int) (distance + open * i / perRow);
        int spare = (int) (distance + open * (i + 1) / perRow) - part - LENGTH;
        int to = part + random.below(spare + 1);
        int from = random.below((int) (to - distance) + 1);
        System.arraycopy(ids, start + from, ids, start + to, LENGTH);
        foretold.set(start + to + CUE - 1, start + to + LENGTH - 1);
      }
      for (int i = start; i < start + length - 1; i++) {
        if (targets[i] >= 0) {
          targets[i] = ids[i + 1];
        }
      }
    }
    return new Quoted(new TokenBatch(batch.rows(), ids, targets, batch.documents()), foretold);
  }
}
