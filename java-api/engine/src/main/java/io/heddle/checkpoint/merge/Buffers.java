package io.heddle.checkpoint.merge;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * The memory of a part of a tensor: one segment per operand, the base's first, and the result's.
 */
final class Buffers {
  private final List<MemorySegment> operands;
  private final MemorySegment out;

  Buffers(List<MemorySegment> operands, MemorySegment out) {
    this.operands = List.copyOf(operands);
    this.out = out;
  }

  /** Lays so many elements out in {@code memory}, each part at a multiple of 64 bytes. */
  static Buffers of(TensorPlan tensor, long elements, MemorySegment memory) {
    List<MemorySegment> operands = new ArrayList<>();
    long at = 0;
    for (TensorPlan.Input input : tensor.inputs()) {
      operands.add(memory.asSlice(at, elements * input.type().bits() / 8));
      at += Chunks.room(input.type(), elements);
    }
    return new Buffers(operands, memory.asSlice(at, elements * tensor.type().bits() / 8));
  }

  List<MemorySegment> operands() {
    return operands;
  }

  MemorySegment out() {
    return out;
  }
}
