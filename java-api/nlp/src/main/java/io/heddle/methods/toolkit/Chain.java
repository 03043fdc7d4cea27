package io.heddle.methods.toolkit;

import io.heddle.data.Mix;

/**
 * A random Markov chain over words: after each context a few words, the first twice as likely as
 * the second, and so on; now and then any word. The table is a hash, so that none is held.
 *
 * @param words number of words
 * @param order words of a context, 1 or 2
 * @param branches words that may follow
 * @param noise share of words that any may be
 * @param seed of the table
 */
record Chain(int words, int order, int branches, double noise, long seed) {
  /** A number of [0, 1). */
  static double unit(Mix random) {
    return (random.next() >>> 11) * 0x1.0p-53;
  }

  /** The word after {@code before} and {@code last}. */
  int next(int before, int last, Mix random) {
    if (unit(random) < noise) {
      return random.below(words);
    }
    long context = order == 1 ? last : (long) before * words + last;
    int branch = 0;
    while (branch < branches - 1 && unit(random) < 1 / 3.0) {
      branch++;
    }
    long place = Mix.hash(Mix.hash(seed) + context) + branch;
    return (int) Long.remainderUnsigned(Mix.hash(place), words);
  }

  /** A text. */
  int[] draw(int length, Mix random) {
    int[] out = new int[length];
    int before = random.below(words);
    int last = random.below(words);
    for (int i = 0; i < length; i++) {
      out[i] = next(before, last, random);
      before = last;
      last = out[i];
    }
    return out;
  }
}
