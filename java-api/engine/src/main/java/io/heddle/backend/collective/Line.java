package io.heddle.backend.collective;

import io.heddle.backend.Backend;
import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.tensor.DType;
import io.heddle.tensor.Scope;
import io.heddle.tensor.Tensor;
import java.io.EOFException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import org.jspecify.annotations.Nullable;

/**
 * Sums over sockets. The ranks stand in a line, each connected to the one below and the one above:
 * sums go up it, every rank adding its own, and come down it from the last. Every element is thus
 * ((x0 + x1) + x2) + ..., in f32, however the line is cut into parts, and every connection carries
 * each byte once in each direction, the two at the same time. Parts of a tensor follow one another,
 * so that all ranks work at once.
 */
final class Line implements Collective {
  private static final int PART = 1 << 16; // elements: 256 KiB, which stay in a core's cache
  private static final Params ADD = new Params.Binary(0, 1, 1);

  private final Meeting meeting;
  private final Backend backend;
  private final Scope scope;
  private final Tensor incoming; // f32 [PART]
  private @Nullable SocketChannel below;
  private @Nullable SocketChannel above;

  /** Connects the ranks of {@code meeting}, all of which do this at the same time. */
  Line(Meeting meeting, Backend backend) {
    this.meeting = meeting;
    this.backend = backend;
    this.scope = new Scope(backend.memory());
    this.incoming = scope.tensor(DType.F32, PART);
    InetAddress here = meeting.here();
    if (here == null) {
      return;
    }
    try (ServerSocketChannel door = ServerSocketChannel.open()) {
      meeting.alarm(() -> end(door));
      door.bind(new InetSocketAddress(here, 0));
      connect(door, here);
    } catch (IOException e) {
      close();
      throw meeting.failure(e);
    }
    meeting.alarm(() -> end(below));
    meeting.alarm(() -> end(above));
  }

  // Who comes to a door shows the number that the ranks alone were told.
  private void connect(ServerSocketChannel door, InetAddress here) throws IOException {
    byte[] pass = new byte[Long.BYTES];
    new SecureRandom().nextBytes(pass);
    int port = ((InetSocketAddress) door.getLocalAddress()).getPort();
    byte[] host = here.getHostAddress().getBytes(StandardCharsets.UTF_8);
    byte[][] doors =
        meeting.gather(
            ByteBuffer.allocate(Integer.BYTES + pass.length + host.length)
                .putInt(port)
                .put(pass)
                .put(host)
                .array());
    if (rank() > 0) {
      ByteBuffer to = ByteBuffer.wrap(doors[rank() - 1]);
      int number = to.getInt();
      ByteBuffer shown = to.slice(to.position(), pass.length);
      to.position(to.position() + pass.length);
      String name = StandardCharsets.UTF_8.decode(to).toString();
      SocketChannel made = SocketChannel.open(new InetSocketAddress(name, number));
      below = made;
      made.setOption(StandardSocketOptions.TCP_NODELAY, true);
      write(made, shown);
    }
    ByteBuffer expected = ByteBuffer.wrap(pass);
    while (rank() < size() - 1 && above == null) {
      SocketChannel come = door.accept();
      ByteBuffer seen = ByteBuffer.allocate(pass.length);
      read(come, seen);
      if (seen.flip().equals(expected)) {
        come.setOption(StandardSocketOptions.TCP_NODELAY, true);
        above = come;
      } else {
        come.close();
      }
    }
  }

  private static void end(java.nio.channels.@Nullable Channel channel) {
    try {
      if (channel != null) {
        channel.close();
      }
    } catch (IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }

  @Override
  public Meeting meeting() {
    return meeting;
  }

  @Override
  public void sum(List<Tensor> tensors) {
    List<Tensor> parts = new ArrayList<>();
    for (Tensor tensor : tensors) {
      Collective.check(tensor);
      parts.addAll(parts(tensor));
    }
    SocketChannel up = above;
    CompletableFuture<Void> down =
        up == null
            ? CompletableFuture.completedFuture(null)
            : CompletableFuture.runAsync(
                () -> passedDown(up, parts), r -> Thread.ofPlatform().daemon().start(r));
    try {
      addedUp(parts);
      down.join();
    } catch (IOException e) {
      throw meeting.failure(e);
    } catch (CompletionException e) {
      throw meeting.failure(e);
    }
  }

  private void addedUp(List<Tensor> parts) throws IOException {
    SocketChannel from = below;
    SocketChannel to = above != null ? above : below;
    ByteBuffer bytes = ByteBuffer.allocateDirect(PART * Float.BYTES);
    for (Tensor part : parts) {
      if (from != null) {
        Tensor sum = incoming.slice(0, 0, part.size());
        sum.copyFrom(received(from, bytes, part));
        backend.run(OpCode.BINARY, ADD, sum, part, part);
      }
      if (to != null) {
        send(to, part);
      }
    }
  }

  // The last rank has sent its sums down in addedUp.
  private void passedDown(SocketChannel from, List<Tensor> parts) {
    ByteBuffer bytes = ByteBuffer.allocateDirect(PART * Float.BYTES);
    SocketChannel to = below;
    try {
      for (Tensor part : parts) {
        part.copyFrom(received(from, bytes, part));
        if (to != null) {
          write(to, bytes);
        }
      }
    } catch (IOException e) {
      throw new CompletionException(e);
    }
  }

  @Override
  public void broadcast(Tensor tensor) {
    SocketChannel from = below;
    SocketChannel to = above;
    ByteBuffer bytes = ByteBuffer.allocateDirect(PART * DType.I64.bytes());
    try {
      for (Tensor part : parts(tensor)) {
        if (from != null) {
          part.copyFrom(received(from, bytes, part));
        }
        if (to != null) {
          send(to, part);
        }
      }
    } catch (IOException e) {
      throw meeting.failure(e);
    }
  }

  private static List<Tensor> parts(Tensor tensor) {
    List<Tensor> parts = new ArrayList<>();
    Tensor flat = tensor.view(tensor.size());
    for (long at = 0; at < flat.size(); at += PART) {
      parts.add(flat.slice(0, at, Math.min(at + PART, flat.size())));
    }
    return parts;
  }

  private static void send(SocketChannel to, Tensor part) throws IOException {
    try (Arena arena = Arena.ofConfined()) {
      write(to, part.onHost(arena).asByteBuffer());
    }
  }

  // What has come, which `bytes` also holds to be passed on.
  private static MemorySegment received(SocketChannel from, ByteBuffer bytes, Tensor part)
      throws IOException {
    bytes.clear().limit((int) part.size() * part.dtype().bytes());
    read(from, bytes);
    return MemorySegment.ofBuffer(bytes.flip());
  }

  private static void write(SocketChannel to, ByteBuffer bytes) throws IOException {
    while (bytes.hasRemaining()) {
      to.write(bytes);
    }
  }

  private static void read(SocketChannel from, ByteBuffer bytes) throws IOException {
    while (bytes.hasRemaining()) {
      if (from.read(bytes) < 0) {
        throw new EOFException("the connection to a neighbouring rank has ended");
      }
    }
  }

  @Override
  public void close() {
    end(below);
    end(above);
    scope.close();
  }
}
