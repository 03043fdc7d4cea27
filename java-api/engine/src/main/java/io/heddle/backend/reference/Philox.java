package io.heddle.backend.reference;

/** Philox4x32-10 (Salmon, Moraes, Dror &amp; Shaw, SC 2011), the constants of Random123. */
public final class Philox {
  private static final long M0 = 0xD2511F53L;
  private static final long M1 = 0xCD9E8D57L;

  private Philox() {}

  /** Word {@code word} (0 to 3) of the block with this counter and key, as an unsigned number. */
  static long word(int word, int c0, int c1, int c2, int c3, long key) {
    int[] c = {c0, c1, c2, c3};
    int k0 = (int) key;
    int k1 = (int) (key >>> 32);
    for (int round = 0; round < 10; round++) {
      long a = M0 * Integer.toUnsignedLong(c[0]);
      long b = M1 * Integer.toUnsignedLong(c[2]);
      c = new int[] {(int) (b >>> 32) ^ c[1] ^ k0, (int) b, (int) (a >>> 32) ^ c[3] ^ k1, (int) a};
      k0 += 0x9E3779B9;
      k1 += 0xBB67AE85;
    }
    return Integer.toUnsignedLong(c[word]);
  }

  /**
   * Random words of consecutive elements: element e has word e mod 4 of the block with counter (e /
   * 4, 0, 0).
   *
   * @param first the first element, not negative
   * @param words takes {@code n} words, as unsigned numbers
   */
  public static void fill(long key, long first, long[] words, int n) {
    for (int i = 0; i < n; ) {
      long block = (first + i) >>> 2;
      long c0 = block & 0xffff_ffffL;
      long c1 = block >>> 32;
      long c2 = 0;
      long c3 = 0;
      int k0 = (int) key;
      int k1 = (int) (key >>> 32);
      for (int round = 0; round < 10; round++) {
        long a = M0 * c0;
        long b = M1 * c2;
        c0 = ((b >>> 32) ^ c1 ^ k0) & 0xffff_ffffL;
        c1 = b & 0xffff_ffffL;
        c2 = ((a >>> 32) ^ c3 ^ k1) & 0xffff_ffffL;
        c3 = a & 0xffff_ffffL;
        k0 += 0x9E3779B9;
        k1 += 0xBB67AE85;
      }
      for (int word = (int) ((first + i) & 3); word < 4 && i < n; word++, i++) {
        words[i] = word < 2 ? (word == 0 ? c0 : c1) : word == 2 ? c2 : c3;
      }
    }
  }

  /** Whether a word keeps an element that is dropped with probability {@code p}. */
  static boolean keeps(long word, float p) {
    return word >= (long) ((double) p * 4294967296.0);
  }
}
