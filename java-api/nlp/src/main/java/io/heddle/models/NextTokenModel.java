package io.heddle.models;

import org.jspecify.annotations.Nullable;

/**
 * What decoding needs of a model: to read several texts side by side and to say what may follow
 * each. Search and sampling know models by this alone.
 */
@FunctionalInterface
public interface NextTokenModel {
  /**
   * Reads prompts.
   *
   * @param prompts at least one token each, of any lengths
   * @param width most continuations of each prompt that are followed at once
   * @param room most tokens that will be appended
   * @return one row per prompt
   */
  Continuation begin(int[][] prompts, int width, int room);

  /**
   * The most likely token of each text, the first of equals, and its log probability.
   *
   * @param tokens one for each row
   * @param logProbabilities likewise, of f32
   */
  @SuppressWarnings("ArrayRecordComponent") // a carrier, never compared
  record Choice(int[] tokens, float[] logProbabilities) {}

  /** Texts that are being read. Not for use by many threads at once. */
  interface Continuation extends AutoCloseable {
    /** Number of texts. */
    int rows();

    /** Number of different tokens, V. */
    int vocabulary();

    /** Logits [rows, V] of what follows each text; not a copy, valid until the next call. */
    float[] logits();

    /**
     * The most likely next token of each text where the device has chosen it already, with only a
     * few numbers to be copied; null where {@link #logits} are the way to know.
     */
    default @Nullable Choice likeliest() {
      return null;
    }

    /** Reads one token after each text. */
    void append(int[] tokens);

    /**
     * Row i becomes a copy of row {@code parents[i]}. Rows of one prompt stay side by side, as many
     * for each prompt, in the order of the prompts; a prompt without rows is dropped.
     */
    void select(int[] parents);

    @Override
    void close();
  }
}
