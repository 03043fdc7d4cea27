package io.heddle.methods.vectors;

import java.util.Arrays;

/** A list of ints that grows. */
final class Ints {
  private int[] values;
  private int size;

  Ints(int capacity) {
    values = new int[Math.max(16, capacity)];
  }

  int size() {
    return size;
  }

  void add(int value) {
    room(1);
    values[size++] = value;
  }

  void addAll(int[] from, int first, int last) {
    room(last - first);
    System.arraycopy(from, first, values, size, last - first);
    size += last - first;
  }

  private void room(int more) {
    if (size + (long) more > Integer.MAX_VALUE - 16) {
      throw new IllegalArgumentException("more than 2^31 numbers in one list");
    }
    if (size + more > values.length) {
      long wanted = Math.max(size + (long) more, values.length + (long) values.length / 2);
      values = Arrays.copyOf(values, (int) Math.min(wanted, Integer.MAX_VALUE - 16));
    }
  }

  int[] toArray() {
    return Arrays.copyOf(values, size);
  }
}
