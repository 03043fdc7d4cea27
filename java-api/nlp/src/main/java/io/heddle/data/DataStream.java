package io.heddle.data;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.function.Function;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * Items read one after the other, as often as wanted, without ever holding all of them. Every
 * transform is lazy: it runs when an item is asked for.
 *
 * @param <T> an item
 */
@FunctionalInterface
public interface DataStream<T> {
  /** Begins a pass. */
  Cursor<T> open() throws IOException;

  /** What a consumer does with an item. */
  @FunctionalInterface
  interface Sink<T> {
    /** Takes an item. */
    void accept(T item) throws IOException;
  }

  /** The items of a collection. */
  static <T> DataStream<T> of(Iterable<? extends T> items) {
    return () -> {
      Iterator<? extends T> at = items.iterator();
      return () -> at.hasNext() ? at.next() : null;
    };
  }

  /** One stream after the other. */
  static <T> DataStream<T> concat(List<? extends DataStream<T>> streams) {
    return () -> new Concatenated<>(List.copyOf(streams));
  }

  /** Hands over every item and closes. */
  default void forEach(Sink<? super T> sink) throws IOException {
    try (Cursor<T> cursor = open()) {
      for (T item = cursor.next(); item != null; item = cursor.next()) {
        sink.accept(item);
      }
    }
  }

  /** All items: for what fits into memory. */
  default List<T> toList() throws IOException {
    List<T> out = new ArrayList<>();
    forEach(out::add);
    return out;
  }

  /** Every item changed by {@code f}; what {@code f} throws is reported with the item's place. */
  default <R> DataStream<R> map(Function<? super T, ? extends R> f) {
    return () -> new Transformed<T, R>(open(), f);
  }

  /** The items that {@code wanted} accepts. */
  default DataStream<T> filter(Predicate<? super T> wanted) {
    // Transformed leaves out what becomes null.
    return () -> new Transformed<T, T>(open(), item -> wanted.test(item) ? item : null);
  }

  /** The first {@code count} items. */
  default DataStream<T> take(long count) {
    return () -> new Ranged<>(open(), 0, 1, count);
  }

  /** All but the first {@code count} items. */
  default DataStream<T> skip(long count) {
    return () -> new Ranged<>(open(), count, 1, Long.MAX_VALUE);
  }

  /** Every {@code parts}-th item, from item {@code part} on. */
  default DataStream<T> shard(int parts, int part) {
    if (part < 0 || part >= parts) {
      throw new IllegalArgumentException("shard " + part + " of " + parts + " does not exist");
    }
    return () -> new Ranged<>(open(), part, parts, Long.MAX_VALUE);
  }

  /** Lists of {@code size} items; the last one may be shorter. */
  default DataStream<List<T>> batch(int size) {
    if (size < 1) {
      throw new IllegalArgumentException("batches of " + size);
    }
    return () -> new Batched<>(open(), size);
  }

  /**
   * The same, read ahead by a thread of its own, at most {@code ahead} items; see {@link Prefetch}.
   */
  default DataStream<T> prefetch(int ahead) {
    return new Prefetch<>(this, ahead);
  }

  /**
   * As {@link #map}, by up to {@code ahead} threads at once; the order stays. {@code f} must be
   * safe for that.
   */
  default <R> DataStream<R> mapAhead(Function<? super T, ? extends R> f, int ahead) {
    return new MapAhead<T, R>(this, f, ahead);
  }

  /** One stream after the other. */
  final class Concatenated<T> implements Cursor<T> {
    private final List<? extends DataStream<T>> streams;
    private int at;
    private @Nullable Cursor<T> current;

    Concatenated(List<? extends DataStream<T>> streams) {
      this.streams = streams;
    }

    @Override
    public @Nullable T next() throws IOException {
      while (true) {
        if (current == null) {
          if (at == streams.size()) {
            return null;
          }
          current = streams.get(at++).open();
        }
        T item = current.next();
        if (item != null) {
          return item;
        }
        close();
      }
    }

    @Override
    public String place() {
      return current == null ? "" : current.place();
    }

    @Override
    public void close() throws IOException {
      Cursor<T> open = current;
      current = null;
      if (open != null) {
        open.close();
      }
    }
  }
}
