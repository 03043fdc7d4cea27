package io.heddle.tensor;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.function.Consumer;

/** Bytes of a storage as the host sees them: the memory itself, or a copy of a device's. */
final class HostBytes {
  private HostBytes() {}

  /** Some bytes; a device's are copied into {@code arena}. */
  static MemorySegment of(Storage storage, long offset, long bytes, Arena arena) {
    if (storage.device() < 0) {
      return storage.segment().asSlice(offset, bytes);
    }
    MemorySegment copy = arena.allocate(Math.max(bytes, 1), 64).asSlice(0, bytes);
    storage.read(offset, copy);
    return copy;
  }

  /**
   * Lets {@code writer} set some bytes.
   *
   * @param all whether it sets every one of them; others keep what they were
   */
  static void edit(
      Storage storage, long offset, long bytes, boolean all, Consumer<MemorySegment> writer) {
    try (Arena arena = Arena.ofConfined()) {
      boolean fresh = all && storage.device() >= 0;
      MemorySegment image =
          fresh
              ? arena.allocate(Math.max(bytes, 1), 64).asSlice(0, bytes)
              : of(storage, offset, bytes, arena);
      writer.accept(image);
      if (storage.device() >= 0) {
        storage.write(offset, image);
      }
    }
  }
}
