package io.heddle.autograd;

import io.heddle.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * Counter-based randomness of one training step: every call site takes the next offset, so the same
 * step draws the same masks in a resumed run, on any backend and with any number of threads.
 */
public final class Randomness {
  /** For inference: nothing is dropped. */
  public static final Randomness NONE = new Randomness(0, 0);

  // Call sites per step; offsets of different steps must not meet.
  private static final long SITES = 1 << 12;

  private final long seed;
  private final @Nullable Tensor added;
  private long next;

  /** Randomness of step {@code step} of the run with {@code seed}. */
  public Randomness(long seed, long step) {
    this(seed, step * SITES, null);
  }

  private Randomness(long seed, long next, @Nullable Tensor added) {
    this.seed = seed;
    this.next = next;
    this.added = added;
  }

  /**
   * Randomness of whatever step the device is told: the same masks as those of that step, by calls
   * that can be recorded once and replayed for others.
   *
   * @param added i64 [1], {@link #next} of the step's own randomness
   */
  public static Randomness told(long seed, Tensor added) {
    return new Randomness(seed, 0, added);
  }

  /** One that goes on from here, apart from this one. */
  Randomness copy() {
    return new Randomness(seed, next, added);
  }

  /** The Philox key. */
  public long seed() {
    return seed;
  }

  /** What kernels add to the offsets: i64 [1], or null for nothing. */
  public @Nullable Tensor added() {
    return added;
  }

  /** The offset of the next call site, which does not take it. */
  public long next() {
    return next;
  }

  /** The Philox offset of the next call site. */
  public long nextOffset() {
    return next++;
  }
}
