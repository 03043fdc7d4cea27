package io.heddle.models;

import io.heddle.op.pattern.BlockLayout;
import io.heddle.tensor.DType;
import io.heddle.tensor.Memory;
import io.heddle.tensor.Scope;
import io.heddle.tensor.Tensor;
import java.util.HashMap;
import java.util.Map;

/**
 * Positions and compiled attention layouts, kept for the lengths that a model has seen: made anew
 * they would have to be copied from the host in every pass, which a graph cannot do.
 */
final class Layouts implements AutoCloseable {
  private final Scope scope;
  private final Map<Integer, Map<String, BlockLayout.Tensors>> byLength = new HashMap<>();
  private final Map<Integer, Tensor> positions = new HashMap<>();

  Layouts(Memory memory) {
    this.scope = new Scope(memory);
  }

  Scope scope() {
    return scope;
  }

  Map<String, BlockLayout.Tensors> of(int length) {
    return byLength.computeIfAbsent(length, n -> new HashMap<>());
  }

  /** Positions 0 to {@code length} - 1, i32. */
  Tensor positions(int length) {
    return positions.computeIfAbsent(length, n -> scope.tensor(DType.I32, n).copyFrom(range(0, n)));
  }

  /** The numbers from {@code from} (inclusive) to {@code to} (exclusive). */
  static int[] range(int from, int to) {
    int[] out = new int[to - from];
    for (int i = 0; i < out.length; i++) {
      out[i] = from + i;
    }
    return out;
  }

  @Override
  public void close() {
    scope.close();
  }
}
