package io.heddle.checkpoint.merge;

import io.heddle.backend.Backend;
import io.heddle.checkpoint.FloatCodec;
import io.heddle.checkpoint.StorageType;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/** The arithmetic of a chunk: blocks of doubles out of bytes, and back. */
final class Compute implements AutoCloseable {
  private final Workers workers;
  private final @Nullable Backend backend;
  private final @Nullable Block[] blocks;

  Compute(Workers workers, @Nullable Backend backend) {
    this.workers = workers;
    this.backend = backend;
    this.blocks = new Block[workers.count()];
  }

  /** A pass of statistics over elements {@code first} to {@code first + count}. */
  void observe(TensorPlan tensor, Kernel kernel, long first, long count, Executor.Buffers buffers) {
    // Where something follows, that is where NaN is looked for.
    boolean last = kernel instanceof ComparisonKernel;
    each(tensor, kernel, first, count, buffers, last, kernel::observe);
  }

  /** Fills the chunk's result. */
  void apply(TensorPlan tensor, Kernel kernel, long first, long count, Executor.Buffers buffers) {
    if (backend != null
        && kernel instanceof LinearKernel linear
        && BackendSum.run(backend, linear, tensor, count, buffers)) {
      BackendSum.check(tensor, first, count, buffers.out());
      return;
    }
    StorageType type = tensor.type();
    long limit = Double.doubleToRawLongBits(limit(type));
    boolean check = !(kernel instanceof LinearKernel); // there NaN stays NaN; selection may hide it
    each(
        tensor,
        kernel,
        first,
        count,
        buffers,
        check,
        block -> {
          kernel.apply(block);
          checkRange(tensor, block, limit);
          FloatCodec.encode(
              block.out, buffers.out(), (block.first - first) * type.bits() / 8, type, block.n);
        });
  }

  private interface Step {
    void run(Block block);
  }

  private void each(
      TensorPlan tensor,
      Kernel kernel,
      long first,
      long count,
      Executor.Buffers buffers,
      boolean check,
      Step step) {
    long length = kernel.blockLength();
    if (count == 0 || length == 0) {
      return;
    }
    boolean base = tensor.base() != null;
    long begin = first / length;
    workers.forEach(
        begin,
        (first + count + length - 1) / length,
        (worker, index) -> {
          Block block = block(worker, tensor.sources().size(), base, Math.toIntExact(length));
          block.index = Math.toIntExact(index);
          block.first = index * length;
          block.n = (int) Math.min(length, first + count - block.first);
          for (int i = 0; i < buffers.operands().size(); i++) {
            double[] row = base ? (i == 0 ? block.base : block.source[i - 1]) : block.source[i];
            StorageType type = tensor.inputs().get(i).type();
            MemorySegment from = buffers.operands().get(i);
            FloatCodec.decode(from, (block.first - first) * type.bits() / 8, type, row, block.n);
            if (check) {
              checkFinite(tensor, i, row, block);
            }
          }
          step.run(block);
        });
  }

  private Block block(int worker, int sources, boolean base, int length) {
    Block block = blocks[worker];
    if (block == null
        || block.source.length != sources
        || block.base.length > 0 != base
        || block.out.length != length) {
      block = new Block(worker, sources, base, length);
      blocks[worker] = block;
    }
    return block;
  }

  private static void checkFinite(TensorPlan tensor, int operand, double[] row, Block block) {
    int bad = FloatCodec.firstNonFinite(row, block.n);
    if (bad >= 0) {
      boolean ofBase = tensor.base() != null && operand == 0;
      int source = tensor.base() == null ? operand + 1 : operand;
      throw new IllegalArgumentException(
          "tensor %s: element %d of %s is NaN or infinite"
              .formatted(
                  Operands.quote(tensor.name()),
                  block.first + bad,
                  ofBase ? "the base" : "source " + source));
    }
  }

  /** The least magnitude that the type has no number for. */
  private static double limit(StorageType type) {
    return switch (type) {
      case F32 -> 0x1.ffffffp127;
      case BF16 -> 0x1.ffp127;
      case F16 -> 65520;
      case F8_E5M2 -> 61440;
      case F8_E4M3 -> Math.nextUp(464.0);
      default -> Double.POSITIVE_INFINITY;
    };
  }

  private static void checkRange(TensorPlan tensor, Block block, long limit) {
    double[] out = block.out;
    long most = 0;
    for (int i = 0; i < block.n; i++) {
      most = Math.max(most, Double.doubleToRawLongBits(out[i]) & Long.MAX_VALUE);
    }
    for (int i = 0; most >= limit && i < block.n; i++) {
      if ((Double.doubleToRawLongBits(out[i]) & Long.MAX_VALUE) >= limit) {
        throw nonFinite(tensor, block.first + i);
      }
    }
  }

  static IllegalArgumentException nonFinite(TensorPlan tensor, long element) {
    return new IllegalArgumentException(
        "tensor %s: element %d of the merge is NaN or infinite as %s"
            .formatted(Operands.quote(tensor.name()), element, tensor.type()));
  }

  @Override
  public void close() {
    Arrays.fill(blocks, null);
  }
}
