package io.heddle.checkpoint;

import io.heddle.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ThreadLocalRandom;
import org.jspecify.annotations.Nullable;

/**
 * Writes a safetensors file piece by piece: declare the tensors, {@link #begin}, write their bytes
 * in any order, {@link #commit}. The bytes go to a file beside the target, which takes the target's
 * name only once it is whole and on the disk; without a commit, or after any failure, it is deleted
 * and the target is as it was. The layout is the reference implementation's (types by descending
 * alignment, then names by their UTF-8 bytes; metadata by key), so that equal contents give equal
 * files. Not safe for use by many threads.
 */
public final class SafetensorsWriter implements AutoCloseable {
  // NIO copies no more than this at a time where it has to copy.
  private static final long PIECE = 1 << 26;

  private final Path target;
  private final Path temporary;
  private final Map<String, String> metadata = new TreeMap<>();
  private final Map<String, Slot> slots = new HashMap<>();
  private @Nullable FileChannel channel;
  private boolean ended;

  /** A tensor's place, and how far it is written. */
  private static final class Slot {
    TensorEntry entry; // begins at 0 until begin
    long written;

    Slot(TensorEntry entry) {
      this.entry = entry;
    }
  }

  /** A writer of {@code target}; nothing is touched before {@link #begin}. */
  public SafetensorsWriter(Path target) {
    Path file = target.getFileName();
    if (file == null) {
      throw new IllegalArgumentException(target + " is not the name of a file");
    }
    this.target = target;
    String suffix = Long.toHexString(ThreadLocalRandom.current().nextLong());
    this.temporary = target.resolveSibling("." + file + "." + suffix + ".tmp");
  }

  /**
   * Declares a tensor.
   *
   * @throws IllegalArgumentException when the name is taken or not valid, or the elements do not
   *     fill whole bytes
   * @throws ArithmeticException when its size does not fit a long
   */
  public SafetensorsWriter declare(String name, StorageType type, long... shape) {
    checkOpen(false);
    if (name.equals(Header.METADATA)) {
      throw new IllegalArgumentException("no tensor can have the name " + name);
    }
    SafetensorsLayout.utf8(name);
    TensorEntry entry = new TensorEntry(name, type, shape, 0, type.bytes(shape));
    if (slots.putIfAbsent(name, new Slot(entry)) != null) {
      throw new IllegalArgumentException("tensor " + JsonText.quote(name) + " is declared twice");
    }
    return this;
  }

  /** Adds a free text entry to the header, or replaces it. */
  public SafetensorsWriter metadata(String key, String value) {
    checkOpen(false);
    SafetensorsLayout.utf8(key);
    SafetensorsLayout.utf8(value);
    metadata.put(key, value);
    return this;
  }

  /** Writes the header and returns all tensors in the order of their bytes. */
  public List<TensorEntry> begin() throws IOException {
    checkOpen(false);
    SafetensorsLayout layout =
        new SafetensorsLayout(metadata, slots.values().stream().map(slot -> slot.entry).toList());
    List<TensorEntry> entries = layout.entries();
    for (TensorEntry entry : entries) {
      slot(entry.name()).entry = entry;
    }
    attempt(
        () -> {
          channel =
              FileChannel.open(temporary, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
          writeAt(0, MemorySegment.ofArray(layout.header()));
        });
    return entries;
  }

  /**
   * Appends bytes to what has been written of a tensor.
   *
   * @throws IllegalArgumentException when there is no such tensor or it would become too long
   */
  public void write(String name, MemorySegment bytes) throws IOException {
    checkOpen(true);
    Slot slot = slot(name);
    if (bytes.byteSize() > slot.entry.bytes() - slot.written) {
      throw new IllegalArgumentException(
          bytes.byteSize()
              + " more bytes for tensor "
              + JsonText.quote(name)
              + ", which has "
              + slot.written
              + " of "
              + slot.entry.bytes());
    }
    attempt(() -> writeAt(slot.entry.begin() + slot.written, bytes));
    slot.written += bytes.byteSize();
  }

  /**
   * Writes all of a tensor, on the host or a device, in row-major order whatever its strides.
   *
   * @throws IllegalArgumentException when dtype or shape are not those declared
   */
  public void write(String name, Tensor tensor) throws IOException {
    checkOpen(true);
    TensorEntry entry = slot(name).entry;
    if (entry.type().dtype() != tensor.dtype() || !Arrays.equals(entry.shape(), tensor.shape())) {
      throw new IllegalArgumentException(tensor + " does not fit the declared " + entry);
    }
    // The lease keeps a close in another thread from taking the memory away during the write.
    tensor.storage().acquire();
    try {
      Rows.forEach(tensor, piece -> write(name, piece));
    } finally {
      tensor.storage().release();
    }
  }

  /**
   * Brings the bytes to the disk and gives the file its name, in one step.
   *
   * @throws IllegalStateException when a tensor is not complete
   */
  public void commit() throws IOException {
    checkOpen(true);
    for (Slot slot : slots.values()) {
      if (slot.written != slot.entry.bytes()) {
        discard();
        throw new IllegalStateException(
            target + ": " + slot.written + " bytes were written of " + slot.entry);
      }
    }
    attempt(
        () -> {
          try (FileChannel file = open()) {
            file.force(true);
          }
          Files.move(temporary, target, StandardCopyOption.ATOMIC_MOVE);
        });
    ended = true;
    // The name itself is on the disk only when the folder is.
    Path folder = target.toAbsolutePath().getParent();
    if (folder != null) {
      try (FileChannel handle = FileChannel.open(folder, StandardOpenOption.READ)) {
        handle.force(true);
      }
    }
  }

  /** Deletes what was written if there was no commit. Idempotent. */
  @Override
  public void close() throws IOException {
    if (!ended) {
      discard();
    }
  }

  private Slot slot(String name) {
    Slot slot = slots.get(name);
    if (slot == null) {
      throw new IllegalArgumentException("tensor " + JsonText.quote(name) + " is not declared");
    }
    return slot;
  }

  private void writeAt(long position, MemorySegment bytes) throws IOException {
    FileChannel file = open();
    for (long done = 0; done < bytes.byteSize(); ) {
      MemorySegment piece = bytes.asSlice(done, Math.min(PIECE, bytes.byteSize() - done));
      if (piece.isNative() || piece.heapBase().orElse(null) instanceof byte[]) {
        writeFully(file, position + done, piece);
      } else { // the memory of other arrays has no ByteBuffer
        try (Arena arena = Arena.ofConfined()) {
          writeFully(file, position + done, arena.allocate(piece.byteSize()).copyFrom(piece));
        }
      }
      done += piece.byteSize();
    }
  }

  private static void writeFully(FileChannel file, long position, MemorySegment piece)
      throws IOException {
    ByteBuffer buffer = piece.asByteBuffer();
    while (buffer.hasRemaining()) {
      file.write(buffer, position + buffer.position());
    }
  }

  private FileChannel open() {
    if (channel == null) {
      throw new IllegalStateException(target + ": call begin first");
    }
    return channel;
  }

  private void checkOpen(boolean begun) {
    if (ended) {
      throw new IllegalStateException(target + ": the writer is closed");
    }
    if ((channel != null) != begun) {
      throw new IllegalStateException(target + (begun ? ": call begin first" : " has begun"));
    }
  }

  /** A step that touches the file. */
  @FunctionalInterface
  private interface Step {
    void run() throws IOException;
  }

  private void attempt(Step step) throws IOException {
    try {
      step.run();
    } catch (Throwable e) {
      try {
        discard();
      } catch (IOException second) {
        e.addSuppressed(second);
      }
      throw e;
    }
  }

  private void discard() throws IOException {
    ended = true;
    if (channel != null) {
      try {
        channel.close();
      } finally {
        Files.deleteIfExists(temporary);
      }
    }
  }
}
