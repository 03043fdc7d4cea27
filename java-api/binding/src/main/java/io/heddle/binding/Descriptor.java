package io.heddle.binding;

import io.heddle.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * The {@code hd_tensor} of a tensor, written once when a native backend first sees the tensor and
 * kept with it. Descriptors are cut from slabs, so that one costs no allocation of its own; a slab
 * lives as long as one of its descriptors is reachable.
 */
final class Descriptor {
  static final int BYTES = 120;
  private static final int SLAB = 256;
  private static final long SHAPE = 8;
  private static final long STRIDE = SHAPE + 8L * Tensor.MAX_RANK;
  private static final long DTYPE = STRIDE + 8L * Tensor.MAX_RANK;

  private static final ThreadLocal<Slab> SLABS = ThreadLocal.withInitial(Slab::new);

  private final MemorySegment memory;
  private long address;

  private Descriptor(MemorySegment memory) {
    this.memory = memory;
  }

  /** Address of the descriptor of {@code tensor}. */
  static long of(Tensor tensor) {
    if (tensor.attachment() instanceof Descriptor known) {
      if (known.address != tensor.address()) { // it was vacated
        known.moved(tensor.address());
      }
      return known.memory.address();
    }
    Descriptor fresh = new Descriptor(SLABS.get().cut());
    fresh.write(tensor);
    tensor.attach(fresh);
    return fresh.memory.address();
  }

  private void moved(long to) {
    address = to;
    memory.set(ValueLayout.JAVA_LONG, 0, to);
  }

  private void write(Tensor tensor) {
    moved(tensor.address());
    for (int d = 0; d < tensor.rank(); d++) {
      memory.set(ValueLayout.JAVA_LONG, SHAPE + 8L * d, tensor.dim(d));
      memory.set(ValueLayout.JAVA_LONG, STRIDE + 8L * d, tensor.stride(d));
    }
    memory.set(ValueLayout.JAVA_INT, DTYPE, tensor.dtype().code());
    memory.set(ValueLayout.JAVA_INT, DTYPE + 4, tensor.rank());
    memory.set(ValueLayout.JAVA_INT, DTYPE + 8, tensor.storage().device());
    memory.set(ValueLayout.JAVA_INT, DTYPE + 12, 0);
  }

  private static final class Slab {
    private MemorySegment rest = MemorySegment.NULL;

    MemorySegment cut() {
      if (rest.byteSize() < BYTES) {
        rest = Arena.ofAuto().allocate((long) BYTES * SLAB, 8);
      }
      MemorySegment piece = rest.asSlice(0, BYTES);
      rest = rest.asSlice(BYTES);
      return piece;
    }
  }
}
