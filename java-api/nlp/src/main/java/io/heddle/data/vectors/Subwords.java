package io.heddle.data.vectors;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * The n-grams of a word as fastText has them: of {@code <word>}, cut at code points, hashed to
 * buckets by 32-bit FNV-1a over its UTF-8 bytes as signed numbers (Bojanowski et al. 2017, and
 * fastText's dictionary). A single {@code <} or {@code >} is none.
 *
 * @param shortest n-gram, in code points; at least 1
 * @param longest n-gram; 0: there are none
 * @param buckets to hash to
 */
public record Subwords(int shortest, int longest, int buckets) {
  /** Words alone. */
  public static final Subwords NONE = new Subwords(0, 0, 0);

  /** fastText's word that ends a line; it has no n-grams. */
  public static final String END_OF_LINE = "</s>";

  private static final int FNV_BASIS = 0x811c9dc5;
  private static final int FNV_PRIME = 0x01000193;

  /** Checks the values. */
  public Subwords {
    if (longest != 0 && (shortest < 1 || longest < shortest || buckets < 1)) {
      throw new IllegalArgumentException(
          "n-grams from %d to %d code points in %d buckets".formatted(shortest, longest, buckets));
    }
  }

  /** Whether there are n-grams. */
  public boolean any() {
    return longest > 0;
  }

  /** The buckets of a word's n-grams, from left to right, shorter ones first. */
  public int[] of(String word) {
    if (longest == 0 || word.equals(END_OF_LINE)) {
      return new int[0];
    }
    byte[] bytes = ("<" + word + ">").getBytes(StandardCharsets.UTF_8);
    int[] found = new int[bytes.length * (longest - shortest + 1)];
    int count = 0;
    for (int from = 0; from < bytes.length; from++) {
      if (continues(bytes[from])) {
        continue;
      }
      int hash = FNV_BASIS;
      int to = from;
      for (int n = 1; n <= longest && to < bytes.length; n++) {
        do {
          hash = (hash ^ bytes[to++]) * FNV_PRIME; // a byte widens with its sign
        } while (to < bytes.length && continues(bytes[to]));
        boolean border = n == 1 && (from == 0 || to == bytes.length);
        if (n >= shortest && !border) {
          found[count++] = Integer.remainderUnsigned(hash, buckets);
        }
      }
    }
    return Arrays.copyOf(found, count);
  }

  private static boolean continues(byte b) {
    return (b & 0xC0) == 0x80;
  }
}
