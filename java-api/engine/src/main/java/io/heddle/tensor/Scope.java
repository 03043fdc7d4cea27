package io.heddle.tensor;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Owns the memory of the tensors made in it and frees it on close, the youngest first. Scopes nest:
 * a step's scope is opened in the model's. Not safe for use by many threads at once (the tensors
 * are).
 *
 * <pre>{@code
 * try (Scope scope = new Scope(backend.memory())) {
 *   Tensor x = scope.tensor(DType.F32, 2, 3);
 * }
 * }</pre>
 */
public final class Scope implements AutoCloseable {
  private static final AtomicLong OPEN_BYTES = new AtomicLong();

  private final Memory memory;
  private final List<Storage> owned = new ArrayList<>();
  private long bytes;
  private long peak;
  private boolean closed;

  /** A scope that takes memory from {@code memory}. */
  public Scope(Memory memory) {
    this.memory = memory;
  }

  /** A contiguous tensor of undefined content. */
  public Tensor tensor(DType dtype, long... shape) {
    if (closed) {
      throw new IllegalStateException("scope is closed");
    }
    long size = Math.multiplyExact(Shapes.size(shape), dtype.bytes());
    Storage storage = memory.allocate(size);
    owned.add(storage);
    account(size);
    return Tensor.of(storage, 0, dtype, shape);
  }

  /**
   * Closes {@code tensor}'s memory before the scope's own close. It must have been made by this
   * scope.
   */
  public void free(Tensor tensor) {
    if (!freeOwn(tensor)) {
      throw new IllegalArgumentException(tensor + " does not belong to this scope");
    }
  }

  /** The same if the memory is this scope's; false, and nothing happens, if not. */
  public boolean freeOwn(Tensor tensor) {
    Storage storage = tensor.storage();
    for (int i = owned.size() - 1; i >= 0; i--) {
      if (owned.get(i) == storage) {
        owned.remove(i);
        account(-storage.bytes());
        storage.close();
        return true;
      }
    }
    return false;
  }

  /** Takes {@code tensor}'s memory over from {@code owner}, which must have it. */
  public void adopt(Scope owner, Tensor tensor) {
    Storage storage = tensor.storage();
    if (closed || !owner.owned.remove(storage)) {
      throw new IllegalArgumentException(
          tensor + " cannot be taken over: its scope or this one is closed, or it is another's");
    }
    owner.account(-storage.bytes());
    owned.add(storage);
    account(storage.bytes());
  }

  /** Counts the peak of a scope that was open beside this one as part of this one's. */
  public void countPeak(Scope beside) {
    peak = Math.max(peak, bytes + beside.peak);
  }

  /** Bytes held now. */
  public long bytes() {
    return bytes;
  }

  /** Most bytes held at any time. */
  public long peakBytes() {
    return peak;
  }

  /** Bytes held by all open scopes of the process: zero when nothing leaks. */
  public static long openBytes() {
    return OPEN_BYTES.get();
  }

  private void account(long change) {
    bytes += change;
    peak = Math.max(peak, bytes);
    OPEN_BYTES.addAndGet(change);
  }

  @Override
  public void close() {
    if (closed) {
      return;
    }
    closed = true;
    for (int i = owned.size() - 1; i >= 0; i--) {
      owned.get(i).close();
    }
    owned.clear();
    account(-bytes);
  }
}
