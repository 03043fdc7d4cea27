package io.heddle.checkpoint.merge;

import io.heddle.backend.Backend;
import io.heddle.checkpoint.StorageType;
import java.util.List;

/** How much of a tensor is worked on at once within a limit of memory. */
final class Chunks {
  // One-pass methods gain nothing from more at once; less leaves reads and writes too small.
  private static final long STREAM = 32L << 20;
  private static final long RESERVE = 256L << 20; // the JVM, rows and counters of the workers
  static final int SETS = 3; // one is read, one computed on, one written

  // Lanes beyond one per core wait for disks, which take many requests at a time.
  private static final int WAITING = 2;
  // Bytes of an operand that a lane takes: with less, calls of the system cost more than they
  // bring, with more, three operands and a result do not stay in the caches. A device wants more.
  private static final long TILE = 512 << 10;
  private static final long DEVICE_TILE = 8 << 20;

  private final long budget; // of one set
  private final int lanes;
  private final long tile;

  Chunks(MergeOptions options) {
    lanes = options.workers() + WAITING;
    Backend backend = options.backend();
    tile = backend != null && BackendMerge.isDevice(backend) ? DEVICE_TILE : TILE;
    long reserve = Math.min(RESERVE, options.maxMemory() / 2);
    budget = (options.maxMemory() - reserve) / SETS;
  }

  /**
   * Whether a tensor is made in one pass, run by run: {@link Lanes} take it then, if a run of it
   * fits the memory.
   */
  boolean runs(MergePlan plan, TensorPlan tensor) {
    if (bytes(tensor, tile(tensor)) > SETS * budget) {
      return false;
    }
    if (tensor.work() != TensorPlan.Work.COMBINE) {
      return true;
    }
    Kernel kernel = plan.kernel(tensor, 1);
    return !kernel.wantsPass() && RunSums.RUN % kernel.blockLength() == 0;
  }

  /** Elements that a lane takes at a time: some runs, or a tensor that is smaller. */
  long tile(TensorPlan tensor) {
    int bits = tensor.type().bits();
    for (TensorPlan.Input input : tensor.inputs()) {
      bits = Math.max(bits, input.type().bits());
    }
    long runs = Math.max(1, tile * 8 / bits / RunSums.RUN);
    return Math.clamp(tensor.elements(), 1, runs * RunSums.RUN);
  }

  /** How many lanes the memory allows. */
  int lanes(List<TensorPlan> tensors) {
    long most = 1;
    for (TensorPlan tensor : tensors) {
      most = Math.max(most, bytes(tensor, tile(tensor)));
    }
    return Math.clamp(SETS * budget / most, 1, lanes);
  }

  /**
   * Elements of a chunk: a multiple of the kernel's blocks, or the whole tensor.
   *
   * @throws IllegalArgumentException when not even one block fits
   */
  long elements(TensorPlan tensor, Kernel kernel) {
    long block = kernel.blockLength();
    long perBlock = bytes(tensor, block);
    long limit = kernel.wantsPass() ? budget : Math.min(budget, STREAM);
    long all = tensor.elements();
    if (bytes(tensor, all) <= limit) {
      return all;
    }
    long blocks = limit / perBlock;
    if (blocks == 0) {
      blocks = 1;
      if (perBlock > budget) {
        throw new IllegalArgumentException(
            "tensor "
                + Operands.quote(tensor.name())
                + " needs "
                + (SETS * perBlock + Math.min(SETS * perBlock, RESERVE))
                + " bytes of memory for one row of all models; raise --max-memory");
      }
    }
    return Math.min(all, blocks * block);
  }

  /** Elements of a chunk of a tensor that is only copied. */
  long copied(TensorPlan tensor) {
    long bits = Math.max(1, 8 * bytes(tensor, 4096) / 4096);
    long limit = 8 * Math.min(budget, STREAM) / bits;
    return Math.clamp(limit / 4096 * 4096, 4096, Math.max(4096, tensor.elements()));
  }

  /** Bytes of all inputs and the output of so many elements, each at a multiple of 64. */
  static long bytes(TensorPlan tensor, long elements) {
    long sum = room(tensor.type(), elements);
    for (TensorPlan.Input input : tensor.inputs()) {
      sum += room(input.type(), elements);
    }
    return sum;
  }

  /** Bytes of so many elements, rounded up. */
  static long room(StorageType type, long elements) {
    return (elements * type.bits() / 8 + 63) & -64;
  }
}
