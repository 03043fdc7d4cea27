package io.heddle.methods.vectors;

import io.heddle.data.Mix;
import io.heddle.tensor.DType;
import io.heddle.tensor.Storage;
import io.heddle.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.stream.LongStream;

/**
 * An f32 matrix in host memory that outlives backends: a tensor while it is trained, bytes when it
 * is done. The collector frees it.
 */
final class HostTable {
  private static final int PIECE = 1 << 16;
  private static final double FRACTION = 0x1p-53;

  private final MemorySegment memory;
  private final Tensor tensor;

  HostTable(long rows, int columns) {
    memory = Arena.ofAuto().allocate(Math.multiplyExact(4 * rows, columns), 64);
    tensor = Tensor.of(Storage.host(memory, address -> {}), 0, DType.F32, rows, columns);
  }

  Tensor tensor() {
    return tensor;
  }

  MemorySegment memory() {
    return memory;
  }

  /** Evenly spread in [-bound, bound); element i depends on i and the seed alone. */
  HostTable spread(double bound, long seed) {
    long n = memory.byteSize() / 4;
    LongStream.range(0, (n + PIECE - 1) / PIECE)
        .parallel()
        .forEach(
            piece -> {
              Mix random = new Mix(Mix.hash(seed ^ Mix.hash(piece)));
              for (long i = piece * PIECE; i < Math.min(n, (piece + 1) * PIECE); i++) {
                double x = ((random.next() >>> 11) * FRACTION * 2 - 1) * bound;
                memory.setAtIndex(ValueLayout.JAVA_FLOAT, i, (float) x);
              }
            });
    return this;
  }

  HostTable fill(float value) {
    for (long i = 0; i < memory.byteSize() / 4; i++) {
      memory.setAtIndex(ValueLayout.JAVA_FLOAT, i, value);
    }
    return this;
  }
}
