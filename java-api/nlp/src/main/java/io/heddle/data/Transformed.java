package io.heddle.data;

import java.io.IOException;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** Items changed one by one; those that become null are left out. */
final class Transformed<T, R> extends DerivedCursor<T, R> {
  private final Function<? super T, ? extends @Nullable R> f;

  Transformed(Cursor<T> source, Function<? super T, ? extends @Nullable R> f) {
    super(source);
    this.f = f;
  }

  @Override
  public @Nullable R next() throws IOException {
    for (T item = source.next(); item != null; item = source.next()) {
      R out = apply(f, item, source.place());
      if (out != null) {
        return out;
      }
    }
    return null;
  }

  /** Runs {@code f}; its exceptions are told where the item came from. */
  static <T, R> @Nullable R apply(
      Function<? super T, ? extends @Nullable R> f, T item, String place) throws IOException {
    try {
      return f.apply(item);
    } catch (RuntimeException e) {
      if (place.isEmpty()) {
        throw e;
      }
      throw new IOException(place + ": " + e.getMessage(), e);
    }
  }
}
