package io.heddle.data;

import java.io.IOException;
import java.util.concurrent.ArrayBlockingQueue;
import org.jspecify.annotations.Nullable;

/**
 * A stream that a virtual thread reads ahead, into a queue of bounded length. What goes wrong there
 * is thrown where the item would have been. Closing a pass ends its thread.
 */
final class Prefetch<T> implements DataStream<T> {
  private static final Object END = new Object();

  private final DataStream<T> source;
  private final int ahead;

  private record Failure(Throwable cause) {}

  Prefetch(DataStream<T> source, int ahead) {
    if (ahead < 1) {
      throw new IllegalArgumentException("reading " + ahead + " items ahead");
    }
    this.source = source;
    this.ahead = ahead;
  }

  @Override
  public Cursor<T> open() throws IOException {
    return new Reader<>(source.open(), ahead);
  }

  private static final class Reader<T> implements Cursor<T> {
    private final ArrayBlockingQueue<Object> queue;
    private final Thread thread;
    private boolean ended;

    Reader(Cursor<T> from, int ahead) {
      this.queue = new ArrayBlockingQueue<>(ahead);
      this.thread = Thread.ofVirtual().name("prefetch").start(() -> read(from));
    }

    private void read(Cursor<T> from) {
      try {
        Object last = END;
        try (from) {
          for (T item = from.next(); item != null; item = from.next()) {
            queue.put(item);
          }
        } catch (IOException | RuntimeException | Error e) {
          last = new Failure(e);
        }
        queue.put(last);
      } catch (InterruptedException e) {
        // Nobody waits for more: the pass was closed.
        Thread.currentThread().interrupt();
      }
    }

    @Override
    @SuppressWarnings("unchecked") // the queue holds what `read` put there
    public @Nullable T next() throws IOException {
      if (ended) {
        return null;
      }
      Object item = take();
      if (item == END) {
        ended = true;
        return null;
      }
      if (item instanceof Failure failure) {
        ended = true;
        rethrow(failure.cause);
      }
      return (T) item;
    }

    private Object take() throws IOException {
      try {
        return queue.take();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new java.io.InterruptedIOException("interrupted while waiting for data");
      }
    }

    @Override
    public void close() throws IOException {
      ended = true;
      thread.interrupt();
      try {
        thread.join();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }
  }

  /** Throws what another thread caught. */
  static void rethrow(Throwable cause) throws IOException {
    switch (cause) {
      case IOException e -> throw e;
      case RuntimeException e -> throw e;
      case Error e -> throw e;
      default -> throw new IOException(cause);
    }
  }
}
