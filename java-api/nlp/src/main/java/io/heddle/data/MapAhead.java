package io.heddle.data;

import java.io.IOException;
import java.util.ArrayDeque;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** A stream whose items are changed by several virtual threads, some items ahead, in order. */
final class MapAhead<T, R> implements DataStream<R> {
  private final DataStream<T> source;
  private final Function<? super T, ? extends R> f;
  private final int ahead;

  MapAhead(DataStream<T> source, Function<? super T, ? extends R> f, int ahead) {
    if (ahead < 1) {
      throw new IllegalArgumentException("changing " + ahead + " items ahead");
    }
    this.source = source;
    this.f = f;
    this.ahead = ahead;
  }

  @Override
  public Cursor<R> open() throws IOException {
    return new Worker<T, R>(source.open(), f, ahead);
  }

  private static final class Worker<T, R> implements Cursor<R> {
    private final Cursor<T> from;
    private final Function<? super T, ? extends R> f;
    private final int ahead;
    private final ArrayDeque<Future<R>> pending = new ArrayDeque<>();
    private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
    private boolean more = true;

    Worker(Cursor<T> from, Function<? super T, ? extends R> f, int ahead) {
      this.from = from;
      this.f = f;
      this.ahead = ahead;
    }

    @Override
    public @Nullable R next() throws IOException {
      while (more && pending.size() < ahead) {
        T item = from.next();
        if (item == null) {
          more = false;
        } else {
          String place = from.place();
          pending.add(threads.submit(() -> Transformed.apply(f, item, place)));
        }
      }
      Future<R> first = pending.poll();
      if (first == null) {
        return null;
      }
      try {
        return first.get();
      } catch (ExecutionException e) {
        more = false;
        pending.clear();
        Prefetch.rethrow(e.getCause() == null ? e : e.getCause());
        throw new AssertionError(e);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new java.io.InterruptedIOException("interrupted while waiting for data");
      }
    }

    @Override
    public String place() {
      return from.place();
    }

    @Override
    public void close() throws IOException {
      threads.shutdownNow();
      threads.close();
      from.close();
    }
  }
}
