package io.heddle.checkpoint;

import io.heddle.tensor.Shapes;
import io.heddle.tensor.Tensor;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/** Gives the bytes of a view in row-major order, in few pieces. */
final class Rows {
  private static final long BUFFER = 1 << 20;
  private static final long FROM_DEVICE = 64 << 20;

  private Rows() {}

  /** Takes a piece; it is valid during the call only. */
  @FunctionalInterface
  interface Sink {
    /** The next bytes. */
    void accept(MemorySegment piece) throws IOException;
  }

  /** Passes all bytes of {@code tensor}, wherever it lies, to {@code sink}. */
  static void forEach(Tensor tensor, Sink sink) throws IOException {
    if (tensor.size() == 0) {
      return;
    }
    long[] shape = tensor.shape();
    long[] strides = tensor.strides();
    int width = tensor.dtype().bytes();
    // The longest run of inner dimensions that lies in one piece is moved as a block.
    int outer = shape.length;
    long block = 1;
    while (outer > 0 && (shape[outer - 1] == 1 || strides[outer - 1] == block)) {
      block *= shape[--outer];
    }
    if (outer == 0) {
      run(tensor, block * width, sink);
      return;
    }
    long[] outerShape = Arrays.copyOf(shape, outer);
    long[] outerStrides = Arrays.copyOf(strides, outer);
    try (Arena arena = Arena.ofConfined()) {
      Gather gather = new Gather(tensor.onHost(arena), block * width, arena, sink);
      Shapes.forEach(outerShape, outerStrides, (i, at) -> gather.take(at * width));
      gather.flush();
    } catch (UncheckedIOException e) {
      throw e.getCause();
    }
  }

  // One run of bytes; a device's come through a buffer, so that the host never holds all of them.
  private static void run(Tensor tensor, long bytes, Sink sink) throws IOException {
    if (tensor.storage().device() < 0) {
      sink.accept(tensor.segment().asSlice(0, bytes));
      return;
    }
    long start = tensor.address() - tensor.storage().address();
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment buffer = arena.allocate(Math.min(bytes, FROM_DEVICE), 64);
      for (long at = 0; at < bytes; at += buffer.byteSize()) {
        MemorySegment piece = buffer.asSlice(0, Math.min(buffer.byteSize(), bytes - at));
        tensor.storage().read(start + at, piece);
        sink.accept(piece);
      }
    }
  }

  /** Collects blocks, so that small ones do not become a system call each. */
  private static final class Gather {
    private final MemorySegment from;
    private final long block;
    private final MemorySegment buffer;
    private final Sink sink;
    private long filled;

    Gather(MemorySegment from, long block, Arena arena, Sink sink) {
      this.from = from;
      this.block = block;
      this.buffer = arena.allocate(block < BUFFER ? BUFFER : 0);
      this.sink = sink;
    }

    void take(long at) {
      if (buffer.byteSize() == 0) {
        pass(from.asSlice(at, block));
        return;
      }
      if (block > buffer.byteSize() - filled) {
        flush();
      }
      MemorySegment.copy(from, at, buffer, filled, block);
      filled += block;
    }

    void flush() {
      pass(buffer.asSlice(0, filled));
      filled = 0;
    }

    private void pass(MemorySegment piece) {
      try {
        sink.accept(piece);
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
  }
}
