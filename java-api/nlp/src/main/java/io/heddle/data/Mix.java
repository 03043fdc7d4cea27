package io.heddle.data;

import java.util.Arrays;

/**
 * Random numbers whose every bit is fixed here: orders and splits must stay what they are on any
 * Java, so that a run can be resumed and a test set stays a test set. SplitMix64 (Steele, Lea &amp;
 * Flood 2014) with Stafford's variant 13.
 */
public final class Mix {
  private static final long STEP = 0x9E3779B97F4A7C15L;

  private long state;

  /** The numbers that follow a seed. */
  public Mix(long seed) {
    state = seed;
  }

  /** A hash of 64 bits. */
  public static long hash(long z) {
    long a = (z ^ (z >>> 30)) * 0xbf58476d1ce4e5b9L;
    long b = (a ^ (a >>> 27)) * 0x94d049bb133111ebL;
    return b ^ (b >>> 31);
  }

  /** 64 random bits. */
  public long next() {
    state += STEP;
    return hash(state);
  }

  /** A number from 0 to {@code bound - 1}. */
  public int below(int bound) {
    return (int) (((next() >>> 32) * bound) >>> 32);
  }

  /** The numbers from 0 to {@code n - 1} in random order (Fisher and Yates). */
  public int[] order(int n) {
    int[] out = new int[n];
    Arrays.setAll(out, i -> i);
    shuffle(out);
    return out;
  }

  /** Puts {@code values} in random order. */
  public void shuffle(int[] values) {
    for (int i = values.length - 1; i > 0; i--) {
      int j = below(i + 1);
      int swap = values[i];
      values[i] = values[j];
      values[j] = swap;
    }
  }
}
