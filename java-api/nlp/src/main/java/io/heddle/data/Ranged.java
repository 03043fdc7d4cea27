package io.heddle.data;

import java.io.IOException;
import org.jspecify.annotations.Nullable;

/** Every {@code step}-th item from {@code first} on, at most {@code count}. */
final class Ranged<T> extends DerivedCursor<T, T> {
  private final int step;
  private long skip;
  private long left;

  Ranged(Cursor<T> source, long first, int step, long count) {
    super(source);
    if (first < 0 || step < 1 || count < 0) {
      throw new IllegalArgumentException(
          count + " items from " + first + " on, every " + step + "-th");
    }
    this.skip = first;
    this.step = step;
    this.left = count;
  }

  @Override
  public @Nullable T next() throws IOException {
    if (left == 0) {
      return null;
    }
    for (; skip > 0; skip--) {
      if (source.next() == null) {
        left = 0;
        return null;
      }
    }
    skip = step - 1L;
    left--;
    return source.next();
  }
}
