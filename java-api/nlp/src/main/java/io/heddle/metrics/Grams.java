package io.heddle.metrics;

import java.util.Arrays;

/**
 * Numbers the distinct n-grams of a few sequences, so that their counts are plain arrays. A gram is
 * found by the number of its first n - 1 symbols and its last symbol: no hash stands for more than
 * one gram.
 */
final class Grams {
  private final int orders;
  private long[] keys = new long[256];
  private int[] numbers = new int[256]; // 0, the number of the empty gram, marks a free place
  private byte[] order = new byte[128];
  private int size = 1;

  /** N-grams of 1 to {@code orders} symbols. */
  Grams(int orders) {
    this.orders = orders;
  }

  /** How often each gram occurs, by its number; grams with numbers beyond the array do not. */
  int[] count(int[] symbols) {
    int[] counts = new int[size + symbols.length * orders];
    int[] begun = new int[symbols.length];
    for (int n = 1; n <= orders; n++) {
      for (int at = 0; at + n <= symbols.length; at++) {
        int gram = number(begun[at], symbols[at + n - 1], n);
        begun[at] = gram;
        counts[gram]++;
      }
    }
    return Arrays.copyOf(counts, size);
  }

  /** The larger count of each gram. */
  static int[] larger(int[] a, int[] b) {
    int[] out = Arrays.copyOf(a, Math.max(a.length, b.length));
    for (int i = 0; i < b.length; i++) {
      out[i] = Math.max(out[i], b[i]);
    }
    return out;
  }

  /** Adds to {@code out[from + n - 1]} how many grams of order n both have. */
  void matches(int[] a, int[] b, double[] out, int from) {
    for (int gram = 1; gram < Math.min(a.length, b.length); gram++) {
      out[from + order[gram] - 1] += Math.min(a[gram], b[gram]);
    }
  }

  /** How many n-grams a sequence has. */
  static int total(int length, int n) {
    return Math.max(0, length - n + 1);
  }

  private int number(int prefix, int symbol, int n) {
    if (2 * size > keys.length) {
      grow();
    }
    long key = ((long) prefix << 32) | symbol;
    int at = place(key);
    if (numbers[at] == 0) {
      keys[at] = key;
      numbers[at] = size;
      if (size == order.length) {
        order = Arrays.copyOf(order, 2 * size);
      }
      order[size++] = (byte) n;
    }
    return numbers[at];
  }

  private int place(long key) {
    int mask = keys.length - 1;
    int at = (int) ((key * 0x9E3779B97F4A7C15L) >>> 40) & mask;
    while (numbers[at] != 0 && keys[at] != key) {
      at = (at + 1) & mask;
    }
    return at;
  }

  private void grow() {
    long[] oldKeys = keys;
    int[] oldNumbers = numbers;
    keys = new long[2 * oldKeys.length];
    numbers = new int[keys.length];
    for (int i = 0; i < oldKeys.length; i++) {
      if (oldNumbers[i] != 0) {
        int at = place(oldKeys[i]);
        keys[at] = oldKeys[i];
        numbers[at] = oldNumbers[i];
      }
    }
  }
}
