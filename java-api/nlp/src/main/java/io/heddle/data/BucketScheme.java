package io.heddle.data;

/** Where the borders of buckets lie between the shortest and the longest sequence. */
@FunctionalInterface
public interface BucketScheme {
  /**
   * The longest length of each bucket, not yet sorted, perhaps with repetitions.
   *
   * @param min shortest length
   * @param max longest length
   * @param count number of buckets, n
   */
  int[] keys(int min, int max, int count);

  /**
   * Buckets of one width {@code w = max((1 + max - min) / n, 1)}, counted down from the longest.
   */
  static BucketScheme constant() {
    return (min, max, count) -> {
      int width = Math.max((1 + max - min) / count, 1);
      int[] keys = new int[count];
      for (int i = 0; i < count; i++) {
        keys[i] = Math.max(max - i * width, min);
      }
      return keys;
    };
  }

  /**
   * Widths that grow by a constant: with {@code a = 2 (max - min - n) / (n (n + 1))}, key i is
   * {@code min + a (i + 1)(i + 2) / 2 + i + 1}, rounded half to even.
   */
  static BucketScheme linear() {
    return (min, max, count) -> {
      double growth = 2.0 * (max - min - count) / ((double) count * (count + 1));
      int[] keys = new int[count];
      for (int i = 0; i < count; i++) {
        keys[i] = (int) Math.rint(min + growth * ((i + 1.0) * (i + 2) / 2) + i + 1);
      }
      keys[count - 1] = Math.max(keys[count - 1], max);
      return keys;
    };
  }

  /**
   * Widths that grow by a factor: with {@code w = (max - min)(s - 1) / (s^n - 1)}, key i is {@code
   * min + w (s^(i+1) - 1) / (s - 1)}, rounded half to even.
   *
   * @param step s, above 1; GluonNLP's default is 1.1, its translation scripts take 1.2
   */
  static BucketScheme exponential(double step) {
    if (!(step > 1)) {
      throw new IllegalArgumentException("buckets grow by a factor above 1, not " + step);
    }
    return (min, max, count) -> {
      double first = (max - min) * (step - 1) / (Math.pow(step, count) - 1);
      int[] keys = new int[count];
      for (int i = 0; i < count; i++) {
        keys[i] = (int) Math.rint(min + first * (Math.pow(step, i + 1) - 1) / (step - 1));
      }
      keys[count - 1] = Math.max(keys[count - 1], max);
      return keys;
    };
  }
}
