package io.heddle.data;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Items in lists. */
final class Batched<T> extends DerivedCursor<T, List<T>> {
  private final int size;

  Batched(Cursor<T> source, int size) {
    super(source);
    this.size = size;
  }

  @Override
  public @Nullable List<T> next() throws IOException {
    List<T> out = new ArrayList<>(size);
    while (out.size() < size) {
      T item = source.next();
      if (item == null) {
        break;
      }
      out.add(item);
    }
    return out.isEmpty() ? null : out;
  }
}
