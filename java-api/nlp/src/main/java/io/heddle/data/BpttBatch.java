package io.heddle.data;

/**
 * A piece of several texts read side by side, for models that carry a state from batch to batch.
 *
 * @param steps tokens of each text, T
 * @param rows texts, N
 * @param data tokens, [T*N] with the texts side by side: step t of text n is at {@code t N + n}
 * @param target what follows each of them
 */
@SuppressWarnings("ArrayRecordComponent") // a carrier between the data and the tape, never compared
public record BpttBatch(int steps, int rows, int[] data, int[] target) {
  /** Checks the lengths. */
  public BpttBatch {
    if (data.length != steps * rows || target.length != data.length) {
      throw new IllegalArgumentException(
          data.length + " tokens and " + target.length + " targets for " + steps + " x " + rows);
    }
  }
}
