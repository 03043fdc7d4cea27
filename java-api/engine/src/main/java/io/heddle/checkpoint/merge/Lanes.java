package io.heddle.checkpoint.merge;

import io.heddle.checkpoint.merge.TensorPlan.Work;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.Semaphore;
import org.jspecify.annotations.Nullable;

/**
 * Tensors that one pass makes, run by run. Each lane is a thread that takes the next runs, reads
 * them, combines them and writes the result by itself: what it works on stays in a core's cache
 * from the first byte to the last; and while lanes wait for a disk, others compute.
 */
final class Lanes implements AutoCloseable {
  private final MergePlan plan;
  private final Inputs inputs;
  private final MergeOutput output;
  private final Chunks chunks;
  private final int lanes;
  private final Semaphore cores;
  private final Compute compute;
  private final Arena arena = Arena.ofShared();

  // Guarded by this.
  private final Deque<Queue> waiting = new ArrayDeque<>();
  private final List<Queue> open = new ArrayList<>();
  private long bytesWritten;
  private long failedAt = Long.MAX_VALUE;
  private @Nullable Throwable failure;

  /**
   * The tensors of one file, in their order. Lanes work on as many files as there are cores: the
   * system lets one thread write to a file at a time.
   */
  private final class Queue {
    final int end;
    int index;
    int busy; // lanes
    long tiles; // of all tensors before
    @Nullable Job job;

    Queue(int from, int end, long tiles) {
      this.index = from;
      this.end = end;
      this.tiles = tiles;
    }

    /** The next tile, or null after the last one. */
    @Nullable Tile next() {
      Job of = job;
      while (of == null && index < end) {
        Job candidate = new Job(index, tiles);
        tiles += candidate.left;
        of = output.has(index++) ? null : candidate;
      }
      if (of == null) {
        return null;
      }
      long count = Math.min(of.length, of.tensor.elements() - of.next);
      Tile tile = new Tile(of.tiles + of.next / of.length, this, of, of.next, count);
      of.next += count;
      job = of.next < of.tensor.elements() ? of : null;
      return tile;
    }
  }

  /** A tensor on its way. */
  private final class Job {
    final int index;
    final TensorPlan tensor;
    final @Nullable Kernel kernel;
    final long length; // of a tile, in elements
    final long tiles; // of all tensors before
    long next;
    long left;

    Job(int index, long tiles) {
      this.index = index;
      this.tiles = tiles;
      this.tensor = plan.tensors().get(index);
      this.kernel = tensor.work() == Work.COMBINE ? plan.kernel(tensor, lanes) : null;
      this.length = chunks.tile(tensor);
      this.left = tiles(tensor);
    }
  }

  /** Some runs of a tensor. */
  private record Tile(long number, Queue queue, Job job, long first, long count) {}

  /** Tensors {@code from} to {@code end} of the plan. */
  Lanes(MergePlan plan, Inputs inputs, MergeOutput output, Chunks chunks, int from, int end) {
    this.plan = plan;
    this.inputs = inputs;
    this.output = output;
    this.chunks = chunks;
    MergeOptions options = plan.merge().options();
    this.lanes = chunks.lanes(plan.tensors().subList(from, end));
    this.cores = new Semaphore(options.workers());
    this.compute = new Compute(lanes);
    long tiles = 0;
    for (int first = from, next; first < end; first = next) {
      long before = tiles;
      next = first;
      while (next < end && output.file(next) == output.file(first)) {
        tiles += tiles(plan.tensors().get(next++));
      }
      waiting.add(new Queue(first, next, before));
    }
    for (int i = 0; i < options.workers(); i++) {
      openAnother();
    }
  }

  private long tiles(TensorPlan tensor) {
    long length = chunks.tile(tensor);
    return Math.max(1, (tensor.elements() + length - 1) / length);
  }

  private synchronized void openAnother() {
    Queue queue = waiting.poll();
    if (queue != null) {
      open.add(queue);
    }
  }

  /** Brings the tensors to the output; returns the number of bytes written. */
  long run() throws IOException {
    Thread[] threads = new Thread[lanes];
    for (int i = 0; i < lanes; i++) {
      Lane lane = new Lane(i);
      threads[i] = Thread.ofPlatform().name("heddle-merge-" + i).daemon().start(lane::run);
    }
    try {
      for (Thread thread : threads) {
        thread.join();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      fail(-1, new IOException("the merge was interrupted", e));
      awaitAll(threads); // not interrupted: that would close the channels of the files
    }
    synchronized (this) {
      switch (failure) {
        case null -> {}
        case IOException io -> throw io;
        case RuntimeException other -> throw other;
        case Error error -> throw error;
        default -> throw new IllegalStateException(failure);
      }
      return bytesWritten;
    }
  }

  private static void awaitAll(Thread[] threads) {
    boolean interrupted = Thread.interrupted();
    for (Thread thread : threads) {
      while (thread.isAlive()) {
        try {
          thread.join();
        } catch (InterruptedException e) {
          interrupted = true;
        }
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  /** Of several failures the first tile's is told, which does not depend on who was faster. */
  private synchronized void fail(long tile, Throwable e) {
    if (tile < failedAt) {
      failedAt = tile;
      failure = e;
    }
  }

  private synchronized @Nullable Tile next() {
    while (!open.isEmpty()) {
      Queue least = Collections.min(open, Comparator.comparingInt(queue -> queue.busy));
      Tile tile = least.next();
      if (tile != null && tile.number < failedAt) {
        least.busy++;
        return tile;
      }
      open.remove(least);
      openAnother();
    }
    return null;
  }

  private synchronized void done(Tile tile, long bytes) throws IOException {
    bytesWritten += bytes;
    tile.queue.busy--;
    Job of = tile.job;
    if (--of.left == 0) {
      output.finish(of.index, inputs.finish(of.tensor));
    }
  }

  /** A thread's own. */
  private final class Lane {
    private final int number;
    private final @Nullable BackendMerge ops;
    private MemorySegment memory = MemorySegment.NULL;
    private @Nullable Tile last;
    private @Nullable Buffers buffers;

    Lane(int number) {
      this.number = number;
      var backend = plan.merge().options().backend();
      this.ops = backend == null ? null : new BackendMerge(backend);
    }

    void run() {
      long number = -1;
      try {
        for (Tile tile = next(); tile != null; tile = next()) {
          number = tile.number;
          process(tile);
        }
      } catch (Throwable e) {
        fail(number, e);
      } finally {
        if (ops != null) {
          ops.close();
        }
      }
    }

    private void process(Tile tile) throws IOException {
      TensorPlan tensor = tile.job.tensor;
      Buffers here = buffers(tile);
      for (int slot = 0; slot < here.operands().size(); slot++) {
        inputs.read(tensor, slot, tile.first, tile.count, here.operands().get(slot));
      }
      MemorySegment result = here.out();
      Kernel kernel = tile.job.kernel;
      if (kernel == null) {
        inputs.checkSame(tensor, here.operands(), tile.first);
        result = here.operands().getFirst();
      } else {
        cores.acquireUninterruptibly();
        try {
          combine(tile, kernel, here);
        } finally {
          cores.release();
        }
      }
      long bytes = result.byteSize();
      output.write(tile.job.index, tile.first * tensor.type().bits() / 8, result);
      done(tile, bytes);
      here.operands().forEach(operand -> inputs.advance(operand.byteSize()));
      inputs.advance(bytes);
    }

    private void combine(Tile tile, Kernel kernel, Buffers here) {
      TensorPlan tensor = tile.job.tensor;
      if (ops == null || !ops.run(tensor, kernel, tile.first, tile.count, here)) {
        compute.applyAlone(number, tensor, kernel, tile.first, tile.count, here);
      }
    }

    /** The same memory for tiles alike, so that what was prepared for it holds. */
    private Buffers buffers(Tile tile) {
      Buffers here = buffers;
      if (here != null && last != null && last.job == tile.job && last.count == tile.count) {
        return here;
      }
      long need = Chunks.bytes(tile.job.tensor, tile.count);
      if (memory.byteSize() < need) {
        memory = arena.allocate(need, 64);
      }
      here = Buffers.of(tile.job.tensor, tile.count, memory);
      buffers = here;
      last = tile;
      return here;
    }
  }

  @Override
  public void close() {
    compute.close();
    arena.close();
  }
}
