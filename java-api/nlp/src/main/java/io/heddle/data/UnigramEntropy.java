package io.heddle.data;

/**
 * What predicting each token by its frequency alone would cost: the yardstick a language model has
 * to beat, and a measure of how far two texts are apart.
 */
public final class UnigramEntropy {
  private final double[] bits; // by token: -log2 p

  private UnigramEntropy(double[] bits) {
    this.bits = bits;
  }

  /**
   * Counts.
   *
   * @param train tokens whose frequencies are taken
   * @param vocabulary number of different tokens
   * @param added to every count: 0 for the frequencies as they are, 1 so that nothing is impossible
   */
  public static UnigramEntropy of(int[] train, int vocabulary, double added) {
    if (!(added >= 0) || (train.length == 0 && added == 0)) {
      throw new IllegalArgumentException(
          "no distribution from " + train.length + " tokens with " + added + " added");
    }
    double[] bits = new double[vocabulary];
    for (int token : train) {
      bits[token]++;
    }
    double total = train.length + added * vocabulary;
    for (int i = 0; i < vocabulary; i++) {
      bits[i] = -Math.log((bits[i] + added) / total) / Math.log(2);
    }
    return new UnigramEntropy(bits);
  }

  /** Mean -log2 p of {@code tokens}; infinite when one of them is impossible, 0 for none. */
  public double bitsPerToken(int[] tokens) {
    return tokens.length == 0 ? 0 : total(tokens) / tokens.length;
  }

  /**
   * The cost of {@code tokens} spread over the bytes they stand for, which compares across
   * tokenizers.
   */
  public double bitsPerByte(int[] tokens, long bytes) {
    return total(tokens) / bytes;
  }

  private double total(int[] tokens) {
    double sum = 0;
    for (int token : tokens) {
      sum += bits[token];
    }
    return sum;
  }

  /**
   * Mean -log p(token) in nats of {@code held} under the frequencies of {@code train}, with one
   * added to every count.
   *
   * @param vocabulary number of different tokens
   */
  public static double nats(int[] train, int[] held, int vocabulary) {
    return of(train, vocabulary, 1).bitsPerToken(held) * Math.log(2);
  }
}
