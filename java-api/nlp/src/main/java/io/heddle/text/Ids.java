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
    if (size + more.length > values.length) {
      values = Arrays.copyOf(values, Math.max(2 * values.length, size + more.length));
    }
    System.arraycopy(more, 0, values, size, more.length);
    size += more.length;
  }

  int[] toArray() {
    return Arrays.copyOf(values, size);
  }
}
