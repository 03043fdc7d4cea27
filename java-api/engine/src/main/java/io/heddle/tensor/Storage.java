package io.heddle.tensor;

import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * A run of bytes, on the host or on a device, with a lease count: a close while a kernel runs takes
 * effect when the kernel has finished, and a touch after close throws. Safe for use by many
 * threads.
 */
public final class Storage {
  /** The release of a storage's memory, run once. */
  @FunctionalInterface
  public interface Release {
    /** Frees {@code address}. */
    void free(long address);
  }

  private static final int CLOSED = 1 << 30;

  private final long address;
  private final long bytes;
  private final MemorySegment segment;
  private final int device;
  private final Release release;
  // Leases in the low bits; CLOSED is set once by close. Memory is freed by whoever brings the
  // state to exactly CLOSED.
  private final AtomicInteger state = new AtomicInteger();

  private Storage(long address, long bytes, MemorySegment segment, int device, Release release) {
    this.address = address;
    this.bytes = bytes;
    this.segment = segment;
    this.device = device;
    this.release = release;
  }

  /** Host memory, kept alive by {@code segment}; {@code release} runs after close. */
  public static Storage host(MemorySegment segment, Release release) {
    if (!segment.isNative()) {
      throw new IllegalArgumentException(
          "a tensor's memory must be off the heap: use Arena.allocate or Scope.tensor");
    }
    return new Storage(segment.address(), segment.byteSize(), segment, -1, release);
  }

  /** Memory of device {@code device}, which the host cannot touch. */
  public static Storage device(long address, long bytes, int device, Release release) {
    return new Storage(address, bytes, MemorySegment.NULL, device, release);
  }

  /** The address on the host or the device. */
  public long address() {
    return address;
  }

  /** The size. */
  public long bytes() {
    return bytes;
  }

  /** The device's ordinal, or -1 for host memory. */
  public int device() {
    return device;
  }

  /** The host memory; throws when closed or on a device. */
  public MemorySegment segment() {
    if (device >= 0) {
      throw new IllegalStateException(
          "tensor is in the memory of device " + device + ": copy it to the host first");
    }
    if (isClosed()) {
      throw new IllegalStateException("tensor is closed");
    }
    return segment;
  }

  /** Whether close was called. */
  public boolean isClosed() {
    return (state.get() & CLOSED) != 0;
  }

  /** Keeps the memory until {@link #release}; throws when closed. */
  public void acquire() {
    if ((state.getAndIncrement() & CLOSED) != 0) {
      release();
      throw new IllegalStateException("tensor is closed");
    }
  }

  /** Gives a lease back. */
  public void release() {
    if (state.decrementAndGet() == CLOSED) {
      free();
    }
  }

  /**
   * Closes: no new lease is given, and the memory is freed when the last one is back. Idempotent.
   */
  public void close() {
    int before = state.getAndUpdate(s -> s | CLOSED);
    if (before == 0) {
      free();
    }
  }

  // Both a late release and close may see the state CLOSED with no lease; the jump to FREED lets
  // only one of them free.
  private void free() {
    if (state.compareAndSet(CLOSED, CLOSED | (CLOSED >> 1))) {
      release.free(address);
    }
  }
}
