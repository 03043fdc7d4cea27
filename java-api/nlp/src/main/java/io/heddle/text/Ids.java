package io.heddle.text;

import java.util.Arrays;

/** A growing array of ids. */
final class Ids {
  private int[] values;
  private int size;

  Ids(int expected) {
    values = new int[Math.max(16, expected)];
  }

  void add(int... more) {
    add(more, 0);
  }

  /** Those from {@code first} on. */
  void add(int[] more, int first) {
    int count = more.length - first;
    if (size + count > values.length) {
      values = Arrays.copyOf(values, Math.max(2 * values.length, size + count));
    }
    System.arraycopy(more, first, values, size, count);
    size += count;
  }

  int[] toArray() {
    return Arrays.copyOf(values, size);
  }
}
