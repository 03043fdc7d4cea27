package io.heddle.backend.collective;

import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** Where rank 0 waits for the other ranks of a run. */
public final class MeetingPoint implements AutoCloseable {
  /** Seconds that ranks wait for one another. */
  public static final int PATIENCE = 300;

  private static final int GREETING = 0x48444c31; // "HDL1"
  private static final int GLANCE_MILLIS = 200;
  private static final int GREETING_MILLIS = 10_000;

  private final ServerSocket server;
  private final int size;

  /**
   * Opens the place, as rank 0.
   *
   * @param at an address of this machine; port 0 for any free one
   * @param size how many ranks there will be
   */
  public MeetingPoint(InetSocketAddress at, int size) throws IOException {
    check(0, size);
    this.size = size;
    this.server = new ServerSocket();
    try {
      server.bind(at);
    } catch (IOException e) {
      server.close();
      throw new IOException("rank 0 cannot wait at " + told(at) + ": " + e.getMessage(), e);
    }
  }

  private static void check(int rank, int size) {
    if (size < 1 || rank < 0 || rank >= size) {
      throw new IllegalArgumentException(
          "rank " + rank + " of " + size + ": ranks are 0 to " + (size - 1));
    }
  }

  private static String told(InetSocketAddress at) {
    return at.getHostString() + ":" + at.getPort();
  }

  /** The port that other ranks come to. */
  public int port() {
    return server.getLocalPort();
  }

  /**
   * Waits for all.
   *
   * @param trouble tells, asked now and then, why one will not come; null as long as all may
   */
  public Meeting await(Supplier<@Nullable String> trouble) throws IOException {
    @Nullable Socket[] come = new Socket[size - 1];
    long end = System.nanoTime() + PATIENCE * 1_000_000_000L;
    boolean complete = false;
    try {
      while (Arrays.asList(come).contains(null)) {
        String why = trouble.get();
        if (why == null && System.nanoTime() > end) {
          why =
              "rank %s of %d did not come to port %d within %d seconds"
                  .formatted(missing(come), size, port(), PATIENCE);
        }
        if (why != null) {
          throw new IllegalStateException(why);
        }
        accept(come);
      }
      Meeting all = new Meeting(0, size, Arrays.stream(come).map(Objects::requireNonNull).toList());
      complete = true;
      return all;
    } finally {
      if (!complete) {
        for (Socket socket : come) {
          if (socket != null) {
            socket.close();
          }
        }
      }
    }
  }

  private static String missing(@Nullable Socket[] come) {
    return IntStream.range(0, come.length)
        .filter(i -> come[i] == null)
        .mapToObj(i -> String.valueOf(i + 1))
        .collect(Collectors.joining(", "));
  }

  private void accept(@Nullable Socket[] come) throws IOException {
    server.setSoTimeout(GLANCE_MILLIS);
    Socket socket;
    try {
      socket = server.accept();
    } catch (SocketTimeoutException e) {
      return;
    }
    try {
      socket.setSoTimeout(GREETING_MILLIS);
      DataInputStream in = new DataInputStream(socket.getInputStream());
      if (in.readInt() != GREETING) {
        socket.close(); // somebody else
        return;
      }
      int rank = in.readInt();
      String refusal = refusal(come, rank, in.readInt());
      new DataOutputStream(socket.getOutputStream()).writeUTF(refusal);
      if (!refusal.isEmpty()) {
        socket.close();
        return;
      }
      socket.setSoTimeout(0);
      come[rank - 1] = socket;
    } catch (IOException e) {
      socket.close(); // it may come again
    }
  }

  private String refusal(@Nullable Socket[] come, int rank, int others) {
    if (others != size) {
      return "rank %d is one of %d, but rank 0 waits for %d in all".formatted(rank, others, size);
    }
    return rank < 1 || come[rank - 1] != null ? "there is a rank " + rank + " already" : "";
  }

  /**
   * Comes to the place, as another rank than 0; waits until it is there.
   *
   * @param at where rank 0 is
   */
  public static Meeting join(InetSocketAddress at, int rank, int size) throws IOException {
    check(rank, size);
    long end = System.nanoTime() + PATIENCE * 1_000_000_000L;
    while (true) {
      Socket socket = new Socket();
      try {
        socket.connect(new InetSocketAddress(at.getHostString(), at.getPort()), GREETING_MILLIS);
        return greeted(socket, rank, size);
      } catch (IOException e) {
        socket.close();
        if (System.nanoTime() > end) {
          throw new IOException(
              "rank %d found no rank 0 at %s within %d seconds: %s"
                  .formatted(rank, told(at), PATIENCE, e.getMessage()),
              e);
        }
        pause();
      }
    }
  }

  private static Meeting greeted(Socket socket, int rank, int size) throws IOException {
    DataOutputStream out = new DataOutputStream(socket.getOutputStream());
    out.writeInt(GREETING);
    out.writeInt(rank);
    out.writeInt(size);
    String refusal = new DataInputStream(socket.getInputStream()).readUTF();
    if (!refusal.isEmpty()) {
      socket.close();
      throw new IllegalStateException("rank 0 has refused this one: " + refusal);
    }
    List<Socket> one = new ArrayList<>();
    one.add(socket);
    return new Meeting(rank, size, one);
  }

  private static void pause() throws IOException {
    try {
      Thread.sleep(GLANCE_MILLIS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted while looking for rank 0", e);
    }
  }

  @Override
  public void close() throws IOException {
    server.close();
  }
}
