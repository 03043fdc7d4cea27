package io.heddle.autograd;

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
  private final long first;
  private long next;

  /** Randomness of step {@code step} of the run with {@code seed}. */
  public Randomness(long seed, long step) {
    this.seed = seed;
    this.first = step * SITES;
    this.next = first;
  }

  /** One that goes on from here, apart from this one. */
  Randomness copy() {
    Randomness copy = new Randomness(seed, 0);
    copy.next = next;
    return copy;
  }

  /** The Philox key. */
  public long seed() {
    return seed;
  }

  /** Whether a call site has taken an offset. */
  public boolean drawn() {
    return next != first;
  }

  /** The Philox offset of the next call site. */
  public long nextOffset() {
    return next++;
  }
}
