package io.heddle.data;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Items in lists. */
final class Batched<T> implements Cursor<List<T>> {
  private final Cursor<T> source;
  private final int size;

  Batched(Cursor<T> source, int size) {
    this.source = source;
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

  @Override
  public String place() {
    return source.place();
  }

  @Override
  public void close() throws IOException {
    source.close();
  }
}
