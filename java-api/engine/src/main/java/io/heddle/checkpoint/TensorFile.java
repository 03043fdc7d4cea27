package io.heddle.checkpoint;

import io.heddle.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Map;

/**
 * Named tensors that lie somewhere: in a safetensors file, in a file that PyTorch saved, or in
 * memory of the caller's. Safe for use by many threads.
 */
public interface TensorFile extends AutoCloseable {
  /** Free text that stands beside the tensors. */
  Map<String, String> metadata();

  /** All tensors, in the order of their bytes. */
  List<TensorEntry> entries();

  /** Whether there is a tensor of this name. */
  boolean contains(String name);

  /** A tensor's type and shape; throws {@link IllegalArgumentException} when there is none. */
  TensorEntry entry(String name);

  /** A tensor's bytes in row-major order, read-only. */
  MemorySegment segment(String name);

  /**
   * A read-only tensor.
   *
   * @throws UnsupportedOperationException when tensors do not have its type: use {@link #segment}
   */
  Tensor tensor(String name);

  /**
   * Copies bytes of a tensor in row-major order, from its byte {@code offset} on, as many as {@code
   * into} holds.
   *
   * @throws IOException when they cannot be read, or the file became shorter
   */
  void read(String name, long offset, MemorySegment into) throws IOException;

  /**
   * What would tell that the tensors are others: path, size and time of change of a file; empty for
   * memory.
   *
   * @throws IOException when it cannot be read
   */
  String identity() throws IOException;

  @Override
  void close();
}
