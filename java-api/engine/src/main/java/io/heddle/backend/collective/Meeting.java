package io.heddle.backend.collective;

import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The processes of a run, brought together: every rank has a connection to rank 0, over which small
 * messages go and by whose end a process that died is noticed, on all ranks. Connections are
 * neither encrypted nor authenticated: they are for networks that are trusted. Made by a {@link
 * MeetingPoint}.
 */
public final class Meeting implements AutoCloseable {
  private final int rank;
  private final int size;
  private final List<Link> links = new ArrayList<>(); // rank 0: to rank i + 1 at i; else: to rank 0
  private final List<Runnable> alarms = new ArrayList<>();
  private final Object telling = new Object(); // held while all links are told something
  private @Nullable String loss;
  private boolean closed;

  /** Without connections: of one rank. */
  Meeting(int rank, int size) {
    this.rank = rank;
    this.size = size;
  }

  /**
   * Begins.
   *
   * @param sockets of rank 0: to the others in their order; of others: to rank 0
   */
  Meeting(int rank, int size, List<Socket> sockets) throws IOException {
    this(rank, size);
    for (int i = 0; i < sockets.size(); i++) {
      links.add(new Link(sockets.get(i), rank == 0 ? i + 1 : 0, this::lost));
    }
    links.forEach(Link::listen);
  }

  /** Which of them this process is, from 0. */
  public int rank() {
    return rank;
  }

  /** How many there are. */
  public int size() {
    return size;
  }

  /** Where other ranks reach this process; null when there are none. */
  @Nullable InetAddress here() {
    return links.isEmpty() ? null : links.getFirst().here();
  }

  /**
   * Some bytes of each rank.
   *
   * @param mine those of this one
   * @return [rank], as they were given
   * @throws IllegalStateException when a rank is gone, naming it
   */
  public byte[][] gather(byte[] mine) {
    byte[][] all = new byte[size][];
    try {
      if (rank == 0) {
        all[0] = mine;
        for (int i = 0; i < links.size(); i++) {
          all[i + 1] = links.get(i).next();
        }
        byte[] packed = packed(all);
        // Who has it may leave: that must not be told to others before they have it, too.
        synchronized (telling) {
          for (Link link : links) {
            link.send(packed);
          }
        }
        return all;
      }
      links.getFirst().send(mine);
      ByteBuffer packed = ByteBuffer.wrap(links.getFirst().next());
      for (int i = 0; i < size; i++) {
        all[i] = new byte[packed.getInt()];
        packed.get(all[i]);
      }
      return all;
    } catch (IOException e) {
      throw failure(e);
    }
  }

  /** The same of numbers; ranks may give different counts. */
  public double[][] gather(double... mine) {
    ByteBuffer bytes = ByteBuffer.allocate(mine.length * Double.BYTES);
    bytes.asDoubleBuffer().put(mine);
    byte[][] all = gather(bytes.array());
    double[][] numbers = new double[size][];
    for (int i = 0; i < size; i++) {
      numbers[i] = new double[all[i].length / Double.BYTES];
      ByteBuffer.wrap(all[i]).asDoubleBuffer().get(numbers[i]);
    }
    return numbers;
  }

  private static byte[] packed(byte[][] all) {
    int bytes = 0;
    for (byte[] part : all) {
      bytes += Integer.BYTES + part.length;
    }
    ByteBuffer packed = ByteBuffer.allocate(bytes);
    for (byte[] part : all) {
      packed.putInt(part.length).put(part);
    }
    return packed.array();
  }

  /**
   * Has {@code alarm} run when a rank is found to be gone, at once if it was before: to end what
   * waits for it.
   */
  public void alarm(Runnable alarm) {
    synchronized (this) {
      if (loss == null) {
        alarms.add(alarm);
        return;
      }
    }
    alarm.run();
  }

  /** Throws {@link IllegalStateException} when a rank is gone, naming it. */
  public synchronized void check() {
    if (loss != null) {
      throw new IllegalStateException(loss);
    }
  }

  /**
   * Why work between ranks has failed: the rank that is gone if one is found to be within a moment,
   * else {@code cause}.
   */
  public synchronized IllegalStateException failure(Exception cause) {
    long end = System.nanoTime() + 3_000_000_000L;
    try {
      for (long left = end - System.nanoTime(); loss == null && left > 0; ) {
        wait(left / 1_000_000 + 1);
        left = end - System.nanoTime();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    return new IllegalStateException(
        loss != null ? loss : "rank " + rank + " lost another rank: " + cause.getMessage(), cause);
  }

  // From the thread of the link by which it is known; the first loss is the one to tell.
  private void lost(int which) {
    List<Runnable> due;
    // Whoever waits here may close as soon as it knows: the others are told first.
    synchronized (telling) {
      synchronized (this) {
        if (closed || loss != null) {
          return;
        }
        loss =
            "rank %d of %d is gone: its process has ended or cannot be reached, and what it said last"
                    .formatted(which, size)
                + " tells more; when all ranks are started again they go on from the last checkpoint";
        due = List.copyOf(alarms);
        notifyAll();
      }
      for (Link link : links) {
        if (rank == 0) {
          link.tellLoss(which);
        }
        link.end();
      }
    }
    due.forEach(Runnable::run);
  }

  @Override
  public void close() {
    synchronized (this) {
      closed = true;
    }
    synchronized (telling) {
      links.forEach(Link::close);
    }
  }
}
