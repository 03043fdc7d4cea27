package io.heddle.checkpoint.merge;

import java.lang.foreign.MemorySegment;
import java.util.HashMap;
import java.util.Map;

/** Writes into memory of the caller's. */
final class MemoryOutput implements MergeOutput {
  private final MergePlan plan;
  private final Map<String, MemorySegment> segments;

  MemoryOutput(MergePlan plan, Map<String, MemorySegment> segments) {
    this.plan = plan;
    this.segments = new HashMap<>(segments);
    for (TensorPlan tensor : plan.tensors()) {
      MemorySegment segment = this.segments.get(tensor.name());
      if (segment == null || segment.byteSize() != tensor.bytes()) {
        throw new IllegalArgumentException(
            "tensor %s of the merge takes %d bytes and is given %s"
                .formatted(
                    Operands.quote(tensor.name()),
                    tensor.bytes(),
                    segment == null ? "none" : segment.byteSize()));
      }
    }
  }

  @Override
  public boolean has(int tensor) {
    return false;
  }

  @Override
  public int file(int tensor) {
    return 0;
  }

  @Override
  public Map<String, String> digests() {
    return Map.of();
  }

  @Override
  public void write(int tensor, long offset, MemorySegment bytes) {
    MemorySegment segment = segments.get(plan.tensors().get(tensor).name());
    if (segment != null) {
      segment.asSlice(offset, bytes.byteSize()).copyFrom(bytes);
    }
  }

  @Override
  public void finish(int tensor, Map<String, String> digests) {}

  @Override
  public void commit(Map<String, String> metadata) {}

  @Override
  public void close() {}
}
