package io.heddle.data;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Rows of tokens and what follows each of them.
 *
 * @param rows number of sequences, B
 * @param ids tokens, [B*T] row by row
 * @param targets next tokens, [B*T]; {@link io.heddle.op.Losses#IGNORE} where there is none to
 *     score
 * @param documents the document of each token, [B][T], when tokens may see their own document only;
 *     else null
 */
@SuppressWarnings("ArrayRecordComponent") // a carrier between the data and the tape, never compared
public record TokenBatch(int rows, int[] ids, int[] targets, @Nullable List<int[]> documents) {
  /** Checks the lengths. */
  public TokenBatch {
    if (rows < 1 || ids.length % rows != 0 || targets.length != ids.length) {
      throw new IllegalArgumentException(
          ids.length + " tokens and " + targets.length + " targets in " + rows + " rows");
    }
  }
}
