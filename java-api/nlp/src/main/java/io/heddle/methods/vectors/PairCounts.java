package io.heddle.methods.vectors;

import java.util.Arrays;

/**
 * Sums by pairs of ids, in one open-addressing table of bounded size. Not safe for threads; adding
 * in one order gives the same sums bit for bit.
 */
final class PairCounts {
  private static final long EMPTY = -1;

  private final int most;
  private final long[] keys;
  private final float[] sums;
  private final int mask;
  private int size;

  /** Room for {@code most} pairs, in half as much again to twice as many slots of 12 bytes. */
  PairCounts(int most) {
    this.most = most;
    int slots = Integer.highestOneBit(Math.max(8, most + most / 2 - 1)) << 1;
    keys = new long[slots];
    sums = new float[slots];
    mask = slots - 1;
    Arrays.fill(keys, EMPTY);
  }

  /** Takes each pair and its sum. */
  interface Sink<E extends Exception> {
    void take(int row, int column, float sum) throws E;
  }

  boolean full() {
    return size >= most;
  }

  int size() {
    return size;
  }

  /** Adds to a pair; not when {@link #full}. */
  void add(int row, int column, float value) {
    long key = ((long) row << 32) | column;
    int at = (int) io.heddle.data.Mix.hash(key) & mask;
    while (keys[at] != key) {
      if (keys[at] == EMPTY) {
        keys[at] = key;
        size++;
        break;
      }
      at = (at + 1) & mask;
    }
    sums[at] += value;
  }

  /** Gives all away, in an order that the pairs alone decide on, and starts anew. */
  <E extends Exception> void drain(Sink<E> to) throws E {
    for (int i = 0; i < keys.length; i++) {
      if (keys[i] != EMPTY) {
        to.take((int) (keys[i] >>> 32), (int) keys[i], sums[i]);
        keys[i] = EMPTY;
        sums[i] = 0;
      }
    }
    size = 0;
  }
}
