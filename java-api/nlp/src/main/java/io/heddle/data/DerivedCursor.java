package io.heddle.data;

import java.io.IOException;

/**
 * Items made from those of another cursor, which is closed with it and says where they are from.
 */
abstract class DerivedCursor<S, T> implements Cursor<T> {
  final Cursor<S> source;

  DerivedCursor(Cursor<S> source) {
    this.source = source;
  }

  @Override
  public final String place() {
    return source.place();
  }

  @Override
  public void close() throws IOException {
    source.close();
  }
}
