package io.heddle.methods.vectors;

import io.heddle.data.vectors.Subwords;

/**
 * How skip-gram and CBOW are trained.
 *
 * @param cbow the mean of the context finds the word; else the word finds its context
 * @param dimension numbers in a vector
 * @param window largest distance of a context word; each centre draws its own from 1 to this
 * @param negatives per target, drawn in proportion to count^0.75
 * @param sample threshold t: a word of relative frequency f is kept with probability sqrt(t / f); 0
 *     keeps all
 * @param rate learning rate at the start; it falls to 0 in a straight line
 * @param epochs passes over the text
 * @param subwords n-grams that words share, or {@link Subwords#NONE}
 * @param seed of everything that is drawn
 */
public record VectorConfig(
    boolean cbow,
    int dimension,
    int window,
    int negatives,
    double sample,
    double rate,
    int epochs,
    Subwords subwords,
    long seed) {
  /** Skip-gram of words, 100 numbers, as word2vec and fastText start. */
  public static final VectorConfig DEFAULT =
      new VectorConfig(false, 100, 5, 5, 1e-4, 0.05, 5, Subwords.NONE, 1);

  /** fastText's n-grams: 3 to 6 code points in two million buckets. */
  public static final Subwords USUAL_SUBWORDS = new Subwords(3, 6, 2_000_000);

  /** Checks the values. */
  public VectorConfig {
    positive("dimension", dimension);
    positive("window", window);
    positive("epochs", epochs);
    if (negatives < 0 || !(sample >= 0) || !(rate > 0)) {
      throw new IllegalArgumentException(
          "%d negatives, sample %s, rate %s: the first two must not be negative, the rate positive"
              .formatted(negatives, sample, rate));
    }
  }

  /** The same with another number of numbers in a vector. */
  public VectorConfig withDimension(int other) {
    return new VectorConfig(cbow, other, window, negatives, sample, rate, epochs, subwords, seed);
  }

  /** The same with more or fewer passes over the text. */
  public VectorConfig withEpochs(int other) {
    return new VectorConfig(
        cbow, dimension, window, negatives, sample, rate, other, subwords, seed);
  }

  /** The same with other n-grams. */
  public VectorConfig withSubwords(Subwords other) {
    return new VectorConfig(cbow, dimension, window, negatives, sample, rate, epochs, other, seed);
  }

  private static void positive(String name, int value) {
    if (value < 1) {
      throw new IllegalArgumentException(name + " is " + value + "; it must be 1 or more");
    }
  }
}
