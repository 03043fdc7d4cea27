package io.heddle.nn;

import io.heddle.backend.Backend;
import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.tensor.DType;
import io.heddle.tensor.Scope;
import io.heddle.tensor.Tensor;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.List;

/**
 * The memory of parameters' gradients, f32: few large blocks, so that few calls do for all. On the
 * host there is one for every few layers, which has its memory from the first contribution in a
 * step to the step's end: while activations are at their most, few gradients are there.
 */
final class Gradients {
  private static final int ALIGNMENT = 64; // elements between gradients: 256 bytes
  private static final long BLOCK = 8L << 20; // elements of a block on the host

  private final Backend backend;
  private final Scope scope;
  private final Tensor zero; // f32 [1]
  private final List<Tensor> blocks = new ArrayList<>();

  Gradients(Backend backend, Scope scope) {
    this.backend = backend;
    this.scope = scope;
    this.zero = scope.tensor(DType.F32, 1).copyFrom(new float[1]);
  }

  private static long aligned(long size) {
    return (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  }

  /** Gives each parameter a gradient of undefined content. */
  void give(List<Tensor> parameters) {
    List<Tensor> together = new ArrayList<>();
    long size = 0;
    for (Tensor p : parameters) {
      if (onHost() && size > 0 && size + p.size() > BLOCK) {
        block(together, size);
        together.clear();
        size = 0;
      }
      together.add(p);
      size += aligned(p.size());
    }
    if (size > 0) {
      block(together, size);
    }
  }

  private boolean onHost() {
    return zero.storage().device() < 0;
  }

  private void block(List<Tensor> parameters, long size) {
    Tensor block = scope.tensor(DType.F32, size).named("gradients");
    blocks.add(block);
    long at = 0;
    for (Tensor p : parameters) {
      Tensor grad = block.slice(0, at, at + p.size()).view(p.shape());
      p.grad(grad.named(p.name() + ".grad"));
      p.requiresGrad(true);
      at += aligned(p.size());
    }
  }

  List<Tensor> blocks() {
    return Collections.unmodifiableList(blocks);
  }

  /** Gives up the content of all, and the memory where it can be had again soon. */
  void forget() {
    if (onHost()) {
      blocks.forEach(block -> block.storage().vacate(backend.memory()));
    }
  }

  /**
   * Zeroes what lies between these, where it was forgotten: gaps, and gradients of parameters that
   * were frozen since.
   */
  void zeroBetween(List<Tensor> gradients) {
    if (!onHost()) {
      return;
    }
    for (Tensor block : blocks) {
      long at = 0;
      for (Tensor gradient : gradients) {
        if (gradient.storage() == block.storage()) {
          long start = (gradient.address() - block.address()) / Float.BYTES;
          zero(at, start, block);
          at = start + gradient.size();
        }
      }
      zero(at, block.size(), block);
    }
  }

  private void zero(long from, long to, Tensor block) {
    if (from < to) {
      zero(List.of(block.slice(0, from, to)));
    }
  }

  void zero(Collection<Tensor> tensors) {
    for (Tensor tensor : tensors) {
      // 0 * x would keep NaN and infinity of undefined memory; a broadcast zero is copied instead.
      backend.run(OpCode.COPY, new Params.None(), zero.expand(tensor.shape()), tensor);
    }
  }
}
