package io.heddle.checkpoint.merge;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.Map;

/** Where the tensors of a plan go. */
interface MergeOutput extends AutoCloseable {
  /** Whether a tensor is there already, from an earlier run. */
  boolean has(int tensor);

  /** The number of the file a tensor goes to; those of a file are together. */
  int file(int tensor);

  /** Digests of the inputs that an earlier run took, by model and tensor as in {@link Digests}. */
  Map<String, String> digests();

  /**
   * Writes bytes of a tensor. Many threads may write whole runs ({@link RunSums#RUN}) in any order;
   * what ends within a run must be written in order, by one thread at a time.
   */
  void write(int tensor, long offset, MemorySegment bytes) throws IOException;

  /**
   * A tensor is whole, of which something was written even if it is empty; {@code digests} are
   * those that were taken on the way. One thread at a time.
   */
  void finish(int tensor, Map<String, String> digests) throws IOException;

  /** All are whole. {@code metadata} has an entry for each that was announced, of its length. */
  void commit(Map<String, String> metadata) throws IOException;

  @Override
  void close() throws IOException;
}
