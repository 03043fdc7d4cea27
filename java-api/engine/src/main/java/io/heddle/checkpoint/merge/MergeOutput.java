package io.heddle.checkpoint.merge;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.Map;

/** Where the tensors of a plan go. Called by one thread at a time. */
interface MergeOutput extends AutoCloseable {
  /** Whether a tensor is there already, from an earlier run. */
  boolean has(int tensor);

  /** Digests of the inputs that an earlier run took, by model and tensor as in {@link Digests}. */
  Map<String, String> digests();

  /** Writes bytes of a tensor; in order within the tensor. */
  void write(int tensor, long offset, MemorySegment bytes) throws IOException;

  /** A tensor is whole; {@code digests} are those that were taken on the way. */
  void finish(int tensor, Map<String, String> digests) throws IOException;

  /** All are whole. {@code metadata} has an entry for each that was announced, of its length. */
  void commit(Map<String, String> metadata) throws IOException;

  @Override
  void close() throws IOException;
}
