package io.heddle.backend;

/** Work that can be done again as one call; see {@link Backend#capture}. */
@FunctionalInterface
public interface Graph extends AutoCloseable {
  /**
   * Does the work, on what its tensors hold now, after all work given before. The same results, bit
   * for bit, as if each call were made anew.
   */
  void replay();

  /** Forgets it. Memory that it has kept is given back. */
  @Override
  default void close() {}
}
