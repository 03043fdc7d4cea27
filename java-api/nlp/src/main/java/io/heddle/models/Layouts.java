package io.heddle.models;

import io.heddle.op.pattern.BlockLayout;
import io.heddle.tensor.Memory;
import io.heddle.tensor.Scope;
import java.util.HashMap;
import java.util.Map;

/** Compiled attention layouts, kept for the lengths that a model has seen. */
final class Layouts implements AutoCloseable {
  private final Scope scope;
  private final Map<Integer, Map<String, BlockLayout.Tensors>> byLength = new HashMap<>();

  Layouts(Memory memory) {
    this.scope = new Scope(memory);
  }

  Scope scope() {
    return scope;
  }

  Map<String, BlockLayout.Tensors> of(int length) {
    return byLength.computeIfAbsent(length, n -> new HashMap<>());
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
