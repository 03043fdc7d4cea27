package io.heddle.tensor;

/** A source of memory: a backend's allocator. Implementations are safe for use by many threads. */
public interface Memory {
  /**
   * At least {@code bytes} bytes of undefined content, 64-byte aligned; throws {@link
   * OutOfNativeMemoryException}.
   */
  Storage allocate(long bytes);
}
