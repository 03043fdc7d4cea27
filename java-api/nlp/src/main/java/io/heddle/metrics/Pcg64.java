package io.heddle.metrics;

import java.math.BigInteger;

/**
 * The generator PCG XSL RR 128/64 (O'Neill 2014), seeded as NumPy's {@code default_rng} seeds it,
 * so that resamples are the ones that sacreBLEU draws.
 */
final class Pcg64 {
  private static final BigInteger WORD = BigInteger.ONE.shiftLeft(128);
  private static final long MULTIPLIER_HIGH = 2549297995355413924L;
  private static final long MULTIPLIER_LOW = 4865540595714422341L;
  private static final long MASK = 0xFFFFFFFFL;

  private final long incrementHigh;
  private final long incrementLow;
  private long high;
  private long low;
  private long half;
  private boolean hasHalf;

  Pcg64(long seed) {
    long[] words = new SeedSequence(seed).words(4);
    BigInteger state = wide(words[0], words[1]);
    BigInteger sequence = wide(words[2], words[3]);
    BigInteger increment = sequence.shiftLeft(1).setBit(0).mod(WORD);
    incrementHigh = increment.shiftRight(64).longValue();
    incrementLow = increment.longValue();
    step();
    BigInteger sum = wide(high, low).add(state).mod(WORD);
    high = sum.shiftRight(64).longValue();
    low = sum.longValue();
    step();
  }

  private static BigInteger wide(long high, long low) {
    return new BigInteger(Long.toUnsignedString(high))
        .shiftLeft(64)
        .add(new BigInteger(Long.toUnsignedString(low)));
  }

  private void step() {
    long productHigh =
        Math.unsignedMultiplyHigh(low, MULTIPLIER_LOW)
            + high * MULTIPLIER_LOW
            + low * MULTIPLIER_HIGH;
    long productLow = low * MULTIPLIER_LOW;
    low = productLow + incrementLow;
    long carry = Long.compareUnsigned(low, productLow) < 0 ? 1 : 0;
    high = productHigh + incrementHigh + carry;
  }

  private long next64() {
    step();
    return Long.rotateRight(high ^ low, (int) (high >>> 58));
  }

  // NumPy takes the lower half of a 64-bit number first and keeps the upper one.
  private long next32() {
    if (hasHalf) {
      hasHalf = false;
      return half;
    }
    long both = next64();
    half = both >>> 32;
    hasHalf = true;
    return both & MASK;
  }

  /** A number from 0 to {@code bound - 1}, every one as probable (Lemire 2019). */
  int below(int bound) {
    if (bound == 1) {
      return 0;
    }
    long product = next32() * bound;
    if ((product & MASK) < bound) {
      long least = (MASK - (bound - 1)) % bound;
      while ((product & MASK) < least) {
        product = next32() * bound;
      }
    }
    return (int) (product >>> 32);
  }

  /** NumPy's mixing of a seed into a pool of four words of 32 bits. */
  private static final class SeedSequence {
    private static final int POOL = 4;
    private final int[] pool = new int[POOL];
    private int constant = 0x43b0d7e5;

    SeedSequence(long seed) {
      int[] entropy = {(int) seed, (int) (seed >>> 32), 0, 0};
      for (int i = 0; i < POOL; i++) {
        pool[i] = hashed(entropy[i]);
      }
      for (int from = 0; from < POOL; from++) {
        for (int to = 0; to < POOL; to++) {
          if (from != to) {
            pool[to] = mixed(pool[to], hashed(pool[from]));
          }
        }
      }
    }

    private int hashed(int value) {
      int v = value ^ constant;
      constant *= 0x931e8875;
      v *= constant;
      return v ^ (v >>> 16);
    }

    private static int mixed(int x, int y) {
      int v = x * 0xca01f9dd - y * 0x4973f715;
      return v ^ (v >>> 16);
    }

    long[] words(int count) {
      long[] out = new long[count];
      int c = 0x8b51f9dd;
      for (int i = 0; i < 2 * count; i++) {
        int v = pool[i % POOL] ^ c;
        c *= 0x58f38ded;
        v *= c;
        v ^= v >>> 16;
        out[i / 2] |= (v & MASK) << (32 * (i % 2));
      }
      return out;
    }
  }
}
