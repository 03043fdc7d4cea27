package io.heddle.data.vectors;

/**
 * What fastText writes of its arguments, in its order and with its numbers.
 *
 * @param dimension numbers in a vector
 * @param window largest distance of a context word
 * @param epochs passes over the text
 * @param minCount words seen less often were left out
 * @param negatives per target
 * @param wordGrams longest n-gram of words (classifiers)
 * @param loss 1 hierarchical softmax, 2 negative sampling, 3 softmax, 4 one against all
 * @param model 1 CBOW, 2 skip-gram, 3 classifier
 * @param buckets of n-grams
 * @param shortest n-gram, in code points
 * @param longest n-gram; 0: none
 * @param rateUpdates tokens between changes of the learning rate
 * @param sample threshold of the sampling of frequent words
 */
public record FastTextSettings(
    int dimension,
    int window,
    int epochs,
    int minCount,
    int negatives,
    int wordGrams,
    int loss,
    int model,
    int buckets,
    int shortest,
    int longest,
    int rateUpdates,
    double sample) {
  /** {@link #model} of CBOW. */
  public static final int CBOW = 1;

  /** {@link #model} of skip-gram. */
  public static final int SKIP_GRAM = 2;

  /** {@link #loss} of negative sampling. */
  public static final int NEGATIVE_SAMPLING = 2;

  /** The n-grams of a word. */
  public Subwords subwords() {
    return longest > 0 && buckets > 0
        ? new Subwords(Math.max(1, shortest), longest, buckets)
        : Subwords.NONE;
  }
}
