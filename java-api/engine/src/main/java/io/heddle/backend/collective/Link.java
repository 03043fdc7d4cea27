package io.heddle.backend.collective;

import java.io.BufferedInputStream;
import java.io.DataInputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.function.IntConsumer;
import jdk.net.ExtendedSocketOptions;

/**
 * A connection that carries messages: four bytes of length, then the message; a length below 0 says
 * that rank {@code -1 - length} is gone. A thread reads at all times, so that its end is noticed.
 */
final class Link {
  // A silent peer is asked after this many seconds, and given up after as many and a few tries: a
  // machine that lost its power or its network sends no end of its connections.
  private static final int IDLE_SECONDS = 20;
  private static final int TRIES = 4;
  private static final int LONGEST = 1 << 24;

  private static final byte[] END = new byte[0]; // told by identity

  private final Socket socket;
  private final int peer;
  private final IntConsumer lost;
  private final BlockingQueue<byte[]> came = new LinkedBlockingQueue<>();

  /**
   * @param peer the rank at the other end
   * @param lost takes the rank that is found to be gone, on this link's thread
   */
  Link(Socket socket, int peer, IntConsumer lost) throws IOException {
    this.socket = socket;
    this.peer = peer;
    this.lost = lost;
    socket.setTcpNoDelay(true);
    socket.setOption(StandardSocketOptions.SO_KEEPALIVE, true);
    socket.setOption(ExtendedSocketOptions.TCP_KEEPIDLE, IDLE_SECONDS);
    socket.setOption(ExtendedSocketOptions.TCP_KEEPINTERVAL, IDLE_SECONDS / TRIES);
    socket.setOption(ExtendedSocketOptions.TCP_KEEPCOUNT, TRIES);
  }

  void listen() {
    Thread.ofPlatform().daemon().name("heddle-rank-" + peer).start(this::read);
  }

  InetAddress here() {
    return socket.getLocalAddress();
  }

  private void read() {
    int gone = peer;
    try {
      DataInputStream in = new DataInputStream(new BufferedInputStream(socket.getInputStream()));
      while (true) {
        int length = in.readInt();
        if (length < 0 || length > LONGEST) {
          gone = length < 0 ? -1 - length : peer;
          break;
        }
        byte[] message = new byte[length];
        in.readFully(message);
        came.add(message);
      }
    } catch (IOException e) {
      came.add(END);
    }
    lost.accept(gone);
  }

  /** The next message of the other end. */
  byte[] next() throws IOException {
    try {
      byte[] message = came.take();
      if (message == END) {
        came.add(END);
        throw new IOException("the connection to rank " + peer + " has ended");
      }
      return message;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted while waiting for rank " + peer, e);
    }
  }

  void send(byte[] message) throws IOException {
    write(message.length, message);
  }

  private synchronized void write(int head, byte[] message) throws IOException {
    byte[] whole =
        ByteBuffer.allocate(Integer.BYTES + message.length).putInt(head).put(message).array();
    socket.getOutputStream().write(whole);
  }

  /** Tells the other end that a rank is gone. */
  void tellLoss(int which) {
    try {
      write(-1 - which, END);
    } catch (IOException e) {
      end(); // it is gone, too
    }
  }

  /** No more messages are waited for. */
  void end() {
    came.add(END);
  }

  void close() {
    try {
      socket.close();
    } catch (IOException e) {
      end();
    }
  }
}
