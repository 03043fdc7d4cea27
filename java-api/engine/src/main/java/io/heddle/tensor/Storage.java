package io.heddle.tensor;

import java.lang.foreign.MemorySegment;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

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

  /** Copies between a device's memory and the host's. */
  @FunctionalInterface
  public interface Mover {
    /** Copies bytes, either address on the device or not; they have arrived on return. */
    void copy(long to, long from, long bytes);
  }

  private static final int CLOSED = 1 << 30;

  private final long bytes;
  private final int device;
  private final @Nullable Mover mover; // null on the host
  private long address;
  private MemorySegment segment;
  private Release release;
  private volatile @Nullable Memory source; // of the memory that a vacated storage takes when used
  // Leases in the low bits; CLOSED is set once by close. Memory is freed by whoever brings the
  // state to exactly CLOSED.
  private final AtomicInteger state = new AtomicInteger();

  private Storage(
      long address,
      long bytes,
      MemorySegment segment,
      int device,
      @Nullable Mover mover,
      Release release) {
    this.address = address;
    this.bytes = bytes;
    this.segment = segment;
    this.device = device;
    this.mover = mover;
    this.release = release;
  }

  /** Host memory, kept alive by {@code segment}; {@code release} runs after close. */
  public static Storage host(MemorySegment segment, Release release) {
    if (!segment.isNative()) {
      throw new IllegalArgumentException(
          "a tensor's memory must be off the heap: use Arena.allocate or Scope.tensor");
    }
    return new Storage(segment.address(), segment.byteSize(), segment, -1, null, release);
  }

  /**
   * Memory of device {@code device}, which the host reaches through {@code mover} alone; {@code
   * release} runs after close.
   */
  public static Storage device(long address, long bytes, int device, Mover mover, Release release) {
    return new Storage(address, bytes, MemorySegment.NULL, device, mover, release);
  }

  /** The address on the host or the device. */
  public long address() {
    settle();
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

  /** Whether it may only be read: a mapped file. */
  public boolean isReadOnly() {
    return segment.isReadOnly();
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
    settle();
    return segment;
  }

  /**
   * Gives the memory back while nobody reads the content: whoever uses the storage next finds other
   * memory, of undefined content. Views see the change. Nobody may use it meanwhile.
   *
   * @param from what the next memory comes from
   */
  public synchronized void vacate(Memory from) {
    if (state.get() != 0) {
      throw new IllegalStateException("memory in use, or closed, cannot be vacated");
    }
    if (source == null) {
      source = from;
      release.free(address);
    }
  }

  private void settle() {
    if (source != null) {
      take();
    }
  }

  private synchronized void take() {
    Memory from = source;
    if (from != null) {
      Storage fresh = from.allocate(bytes);
      address = fresh.address;
      segment = fresh.segment;
      release = fresh.release;
      source = null;
    }
  }

  /**
   * Copies bytes to the host, wherever this memory lies, after all work given before.
   *
   * @param offset of the first byte
   * @param to host memory, off the heap; its size says how many
   */
  public void read(long offset, MemorySegment to) {
    move(offset, to, true);
  }

  /**
   * Copies bytes from the host, wherever this memory lies, before all work given afterwards.
   *
   * @param offset of the first byte
   * @param from host memory, off the heap; its size says how many
   */
  public void write(long offset, MemorySegment from) {
    move(offset, from, false);
  }

  private void move(long offset, MemorySegment host, boolean toHost) {
    Objects.checkFromIndexSize(offset, host.byteSize(), bytes);
    if (mover == null) {
      MemorySegment here = segment().asSlice(offset, host.byteSize());
      (toHost ? host : here).copyFrom(toHost ? here : host);
      return;
    }
    if (!host.isNative()) {
      throw new IllegalArgumentException("memory on the heap cannot be copied to or from a device");
    }
    acquire();
    try {
      long there = address() + offset;
      mover.copy(toHost ? host.address() : there, toHost ? there : host.address(), host.byteSize());
    } finally {
      release();
    }
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
    if (state.compareAndSet(CLOSED, CLOSED | (CLOSED >> 1)) && source == null) {
      release.free(address);
    }
  }
}
