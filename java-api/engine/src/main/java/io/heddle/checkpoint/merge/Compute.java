package io.heddle.checkpoint.merge;

import io.heddle.checkpoint.FloatCodec;
import io.heddle.checkpoint.StorageType;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** The arithmetic of a part of a tensor: blocks of doubles out of bytes, and back. */
final class Compute implements AutoCloseable {
  private final @Nullable Workers workers;
  private final @Nullable Block[] blocks;

  /** Blocks are shared among workers. */
  Compute(Workers workers) {
    this.workers = workers;
    this.blocks = new Block[workers.count()];
  }

  /** For so many threads, each of which does parts of its own. */
  Compute(int threads) {
    this.workers = null;
    this.blocks = new Block[threads];
  }

  /** A pass of statistics over elements {@code first} to {@code first + count}. */
  void observe(TensorPlan tensor, Kernel kernel, long first, long count, Buffers buffers) {
    // Where something follows, that is where NaN is looked for.
    boolean last = kernel instanceof ComparisonKernel;
    each(tensor, kernel, first, count, buffers, last, kernel::observe);
  }

  /** Fills the result of a part. */
  void apply(TensorPlan tensor, Kernel kernel, long first, long count, Buffers buffers) {
    each(
        tensor,
        kernel,
        first,
        count,
        buffers,
        checked(kernel),
        writing(tensor, kernel, first, buffers));
  }

  /** The same by the calling thread alone, which is {@code worker}. */
  void applyAlone(
      int worker, TensorPlan tensor, Kernel kernel, long first, long count, Buffers buffers) {
    Step step = writing(tensor, kernel, first, buffers);
    long length = kernel.blockLength();
    for (long i = first / length; i * length < first + count; i++) {
      one(worker, i, tensor, kernel, first, count, buffers, checked(kernel), step);
    }
  }

  /** Whether operands must be finite. */
  static boolean checked(Kernel kernel) {
    return !(kernel instanceof LinearKernel); // there NaN stays NaN; selection may hide it
  }

  private static Step writing(TensorPlan tensor, Kernel kernel, long first, Buffers buffers) {
    StorageType type = tensor.type();
    long limit = Double.doubleToRawLongBits(limit(type));
    return block -> {
      kernel.apply(block);
      checkRange(tensor, block, limit);
      FloatCodec.encode(
          block.out, buffers.out(), (block.first - first) * type.bits() / 8, type, block.n);
    };
  }

  private interface Step {
    void run(Block block);
  }

  private void each(
      TensorPlan tensor,
      Kernel kernel,
      long first,
      long count,
      Buffers buffers,
      boolean check,
      Step step) {
    long length = kernel.blockLength();
    if (count == 0 || length == 0) {
      return;
    }
    Objects.requireNonNull(workers)
        .forEach(
            first / length,
            (first + count + length - 1) / length,
            (worker, index) ->
                one(worker, index, tensor, kernel, first, count, buffers, check, step));
  }

  /** The block of this number. */
  private void one(
      int worker,
      long index,
      TensorPlan tensor,
      Kernel kernel,
      long first,
      long count,
      Buffers buffers,
      boolean check,
      Step step) {
    long length = kernel.blockLength();
    boolean base = tensor.base() != null;
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
        checkFinite(tensor, i, block.first, FloatCodec.firstNonFinite(row, block.n));
      }
    }
    step.run(block);
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

  /** Refuses element {@code first + bad} of an operand, unless {@code bad} is negative. */
  static void checkFinite(TensorPlan tensor, int operand, long first, long bad) {
    if (bad >= 0) {
      boolean ofBase = tensor.base() != null && operand == 0;
      int source = tensor.base() == null ? operand + 1 : operand;
      throw new IllegalArgumentException(
          "tensor %s: element %d of %s is NaN or infinite"
              .formatted(
                  Operands.quote(tensor.name()),
                  first + bad,
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
