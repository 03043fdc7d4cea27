package io.heddle.data;

/** What predicting each token by its frequency alone would cost: the yardstick a language model has to beat. */
public final class UnigramEntropy {
  private UnigramEntropy() {}

  /**
   * Mean -log p(token) in nats of {@code held} under the frequencies of {@code train}, with one added to every count.
   *
   * @param vocabulary number of different tokens
   */
  public static double nats(int[] train, int[] held, int vocabulary) {
    long[] counts = new long[vocabulary];
    for (int token : train) {
      counts[token]++;
    }
    double total = (double) train.length + vocabulary;
    double sum = 0;
    for (int token : held) {
      sum -= Math.log((counts[token] + 1) / total);
    }
    return sum / held.length;
  }
}
