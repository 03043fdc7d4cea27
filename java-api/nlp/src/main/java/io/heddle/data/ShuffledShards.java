package io.heddle.data;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * More data than memory holds, in random order, without end: in every epoch the shards are put in
 * another order, and a few shards at a time are read and their items mixed. The order is a function
 * of seed and epoch; reading can go on at any position by reading one group of shards again.
 *
 * @param <T> an item
 */
public final class ShuffledShards<T> {
  private final List<DataStream<T>> shards;
  private final int together;
  private final long seed;
  private final int parts;
  private final int part;

  /**
   * Where reading goes on.
   *
   * @param epoch number of the pass
   * @param group of shards in that pass
   * @param item in that group, in mixed order
   */
  public record Position(long epoch, int group, int item) {
    /** The beginning. */
    public static final Position START = new Position(0, 0, 0);
  }

  /**
   * An item and where to go on after it.
   *
   * @param value the item
   * @param next the position after it
   */
  public record Placed<T>(T value, Position next) {}

  /**
   * Shards to be mixed.
   *
   * @param shards each gives the same items whenever it is read
   * @param together shards held in memory at once; more mix better
   */
  public ShuffledShards(List<? extends DataStream<T>> shards, int together, long seed) {
    this(List.copyOf(shards), together, seed, 1, 0);
  }

  private ShuffledShards(List<DataStream<T>> shards, int together, long seed, int parts, int part) {
    if (together < 1 || part < 0 || part >= parts) {
      throw new IllegalArgumentException(
          together + " shards at once, part " + part + " of " + parts);
    }
    this.shards = shards;
    this.together = together;
    this.seed = seed;
    this.parts = parts;
    this.part = part;
  }

  /**
   * Lines of files, in shards of about {@code bytes}; a gzipped file, which cannot be entered in
   * the middle, is one shard.
   */
  public static ShuffledShards<String> lines(List<Path> files, long bytes, int together, long seed)
      throws IOException {
    if (bytes < 1) {
      throw new IllegalArgumentException("shards of " + bytes + " bytes");
    }
    List<DataStream<String>> shards = new ArrayList<>();
    for (Path file : files) {
      if (FileSets.packed(file)) {
        shards.add(Lines.of(file));
        continue;
      }
      long size = Files.size(file);
      for (long from = 0; from < size; from += bytes) {
        shards.add(Lines.of(file, from, Math.min(from + bytes, size)));
      }
    }
    return new ShuffledShards<>(shards, together, seed);
  }

  /** The shards of one of several workers; together they read every shard once an epoch. */
  public ShuffledShards<T> part(int count, int number) {
    return new ShuffledShards<>(shards, together, seed, count, number);
  }

  /** Items from {@code start} on, epoch after epoch. */
  public DataStream<Placed<T>> from(Position start) {
    return () -> new Reader(start);
  }

  private final class Reader implements Cursor<Placed<T>> {
    private Position at;
    private List<T> group = List.of();
    private int[] order = {};
    private boolean loaded;
    private long empty; // groups without items, one after the other

    Reader(Position start) {
      at = start;
    }

    @Override
    public @Nullable Placed<T> next() throws IOException {
      while (true) {
        int[] own = own(at.epoch);
        int groups = Math.ceilDiv(own.length, together);
        if (groups == 0 || empty > groups) {
          return null;
        }
        if (at.group >= groups) {
          go(new Position(at.epoch + 1, 0, 0));
          continue;
        }
        if (!loaded) {
          load(own);
        }
        if (at.item < order.length) {
          T value = group.get(order[at.item]);
          at = new Position(at.epoch, at.group, at.item + 1);
          empty = 0;
          return new Placed<>(value, at);
        }
        empty++;
        go(new Position(at.epoch, at.group + 1, 0));
      }
    }

    private void go(Position next) {
      at = next;
      loaded = false;
      group = List.of();
    }

    private int[] own(long epoch) {
      int[] all = Samplers.random(shards.size(), seed, epoch);
      int[] out = new int[Math.ceilDiv(Math.max(0, all.length - part), parts)];
      for (int i = 0; i < out.length; i++) {
        out[i] = all[part + i * parts];
      }
      return out;
    }

    private void load(int[] own) throws IOException {
      List<T> items = new ArrayList<>();
      int end = Math.min((at.group + 1) * together, own.length);
      for (int i = at.group * together; i < end; i++) {
        shards.get(own[i]).forEach(items::add);
      }
      group = items;
      long mixed = Mix.hash(Mix.hash(seed) + at.epoch) + part;
      order = Samplers.random(items.size(), mixed, at.group);
      loaded = true;
    }
  }
}
