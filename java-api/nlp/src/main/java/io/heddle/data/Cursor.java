package io.heddle.data;

import java.io.IOException;
import org.jspecify.annotations.Nullable;

/**
 * One pass over a {@link DataStream}. For one thread.
 *
 * @param <T> what is read
 */
public interface Cursor<T> extends AutoCloseable {
  /**
   * The next item, null at the end.
   *
   * @throws IOException naming the file and the place in it
   */
  @Nullable T next() throws IOException;

  /** Where the last item came from, e.g. {@code corpus.txt:17}; empty where nobody knows. */
  default String place() {
    return "";
  }

  @Override
  default void close() throws IOException {}
}
