package io.heddle.checkpoint;

import io.heddle.tensor.DType;
import io.heddle.tensor.Storage;
import io.heddle.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Tensors in memory that belongs to the caller, who must keep it alive. Nothing is copied. To be
 * opened with {@link Checkpoint#of}.
 */
public final class MemoryTensors implements TensorFile {
  private final Map<String, TensorEntry> entries = new LinkedHashMap<>();
  private final Map<String, MemorySegment> segments = new LinkedHashMap<>();

  /** Without tensors. */
  public MemoryTensors() {}

  /**
   * Adds a tensor.
   *
   * @param bytes its elements in row-major order, little-endian, on or off the heap
   * @throws IllegalArgumentException when the name is taken or the size is not that of type and
   *     shape
   */
  public MemoryTensors add(String name, StorageType type, MemorySegment bytes, long... shape) {
    TensorEntry entry = new TensorEntry(name, type, shape, 0, type.bytes(shape));
    if (entry.bytes() != bytes.byteSize()) {
      throw new IllegalArgumentException(
          "tensor "
              + JsonText.quote(name)
              + " takes "
              + entry.bytes()
              + " bytes and is given "
              + bytes.byteSize());
    }
    if (entries.putIfAbsent(name, entry) != null) {
      throw new IllegalArgumentException("tensor " + JsonText.quote(name) + " is added twice");
    }
    segments.put(name, bytes);
    return this;
  }

  /** Adds a contiguous tensor on the host. */
  public MemoryTensors add(String name, Tensor tensor) {
    if (!tensor.isContiguous()) {
      throw new IllegalArgumentException(tensor + " is not contiguous");
    }
    long bytes = tensor.size() * tensor.dtype().bytes();
    return add(
        name, StorageType.of(tensor.dtype()), tensor.segment().asSlice(0, bytes), tensor.shape());
  }

  @Override
  public Map<String, String> metadata() {
    return Map.of();
  }

  @Override
  public List<TensorEntry> entries() {
    return List.copyOf(entries.values());
  }

  @Override
  public boolean contains(String name) {
    return entries.containsKey(name);
  }

  @Override
  public TensorEntry entry(String name) {
    TensorEntry entry = entries.get(name);
    if (entry == null) {
      throw new IllegalArgumentException("there is no tensor " + JsonText.quote(name));
    }
    return entry;
  }

  @Override
  public MemorySegment segment(String name) {
    entry(name);
    return segments.getOrDefault(name, MemorySegment.NULL).asReadOnly();
  }

  @Override
  public Tensor tensor(String name) {
    TensorEntry entry = entry(name);
    DType dtype = entry.type().dtype();
    if (dtype == null) {
      throw new UnsupportedOperationException(
          JsonText.quote(name) + " is " + entry.type() + ": read its bytes with segment");
    }
    return Tensor.of(Storage.host(segment(name), address -> {}), 0, dtype, entry.shape());
  }

  @Override
  public void read(String name, long offset, MemorySegment into) {
    entry(name);
    into.copyFrom(segments.getOrDefault(name, MemorySegment.NULL).asSlice(offset, into.byteSize()));
  }

  @Override
  public String identity() {
    return "";
  }

  /** Does nothing: the memory is the caller's. */
  @Override
  public void close() {}
}
