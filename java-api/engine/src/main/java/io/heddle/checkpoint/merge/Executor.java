package io.heddle.checkpoint.merge;

import io.heddle.backend.Backend;
import io.heddle.backend.BackendOptions;
import io.heddle.backend.Backends;
import io.heddle.checkpoint.merge.TensorPlan.Work;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * Runs a plan. What one pass makes goes through {@link Lanes}. The rest goes chunk by chunk: while
 * one chunk is computed on, the next is read, by one thread per operand, and the last is written. A
 * tensor that fits one chunk is read once, however many passes its method takes; a larger one is
 * read again for each pass.
 */
final class Executor implements AutoCloseable {
  private final MergePlan plan;
  private final MergeOutput output;
  private final Inputs inputs;
  private final Chunks chunks;
  private final Workers workers;
  private final Compute compute;
  private @Nullable Backend threads; // of the merge's backend, a context with all of them
  private @Nullable BackendMerge ops;
  private final List<ExecutorService> readers = new ArrayList<>();
  private final ExecutorService writer;
  private final Arena arena = Arena.ofShared();
  private final MemorySegment[] sets = new MemorySegment[Chunks.SETS];
  private final List<@Nullable Future<?>> writes = new ArrayList<>();
  private int nextSet;
  private int end; // of the tensors that the chunks go through
  private final AtomicLong bytesWritten = new AtomicLong();

  /** A chunk of a tensor on its way. */
  private record Load(
      int index,
      @Nullable Kernel kernel,
      long first,
      long count,
      boolean apply,
      int set,
      Buffers buffers,
      List<Future<?>> reads) {}

  Executor(MergePlan plan, MergeOutput output) {
    this.plan = plan;
    this.output = output;
    MergeOptions options = plan.merge().options();
    this.inputs = new Inputs(plan, output.digests());
    this.chunks = new Chunks(options);
    this.workers = new Workers(options.workers());
    this.compute = new Compute(workers);
    this.writer = Executors.newSingleThreadExecutor(thread("write"));
    for (int i = 0; i < Chunks.SETS; i++) {
      sets[i] = MemorySegment.NULL;
      writes.add(null);
    }
  }

  private static java.util.concurrent.ThreadFactory thread(String name) {
    return Thread.ofPlatform().name("heddle-merge-" + name).daemon().factory();
  }

  long bytesRead() {
    return inputs.bytesRead();
  }

  long bytesWritten() {
    return bytesWritten.get();
  }

  /** Brings all tensors to the output and commits it. */
  void run() throws IOException {
    List<TensorPlan> all = plan.tensors();
    for (int from = 0, to; from < all.size(); from = to) {
      boolean together = chunks.runs(plan, all.get(from));
      to = from + 1;
      while (to < all.size() && chunks.runs(plan, all.get(to)) == together) {
        to++;
      }
      if (together) {
        try (Lanes lanes = new Lanes(plan, inputs, output, chunks, from, to)) {
          bytesWritten.addAndGet(lanes.run());
        }
      } else {
        end = to;
        chunkByChunk(from);
      }
    }
    inputs.checkUnchanged();
    output.commit(plan.hashes(inputs.digests()));
  }

  private void chunkByChunk(int from) throws IOException {
    Load load = tensor(from);
    while (load != null) {
      await(load.reads);
      Load next = lookAhead(load);
      process(load);
      load = next == null ? after(load) : next;
    }
    for (Future<?> write : writes) {
      await(write == null ? List.of() : List.of(write));
    }
  }

  /** The first chunk of the first tensor from {@code index} on that is not there yet. */
  private @Nullable Load tensor(int index) throws IOException {
    int i = index;
    while (i < end && output.has(i)) {
      i++;
    }
    if (i == end) {
      return null;
    }
    TensorPlan tensor = plan.tensors().get(i);
    Kernel kernel = tensor.work() == Work.COMBINE ? plan.kernel(tensor, workers.count()) : null;
    long count =
        kernel == null
            ? Math.min(tensor.elements(), chunks.copied(tensor))
            : chunks.elements(tensor, kernel);
    boolean whole = count == tensor.elements();
    return load(i, kernel, 0, count, whole || kernel == null || !kernel.wantsPass());
  }

  private Load load(int index, @Nullable Kernel kernel, long first, long count, boolean apply)
      throws IOException {
    TensorPlan tensor = plan.tensors().get(index);
    long n = Math.min(count, tensor.elements() - first);
    int set = nextSet++ % Chunks.SETS;
    Future<?> before = writes.get(set);
    await(before == null ? List.of() : List.of(before));
    long need = Chunks.bytes(tensor, n);
    if (sets[set].byteSize() < need) {
      sets[set] = arena.allocate(need, 64);
    }
    Buffers buffers = Buffers.of(tensor, n, sets[set]);
    List<Future<?>> reads = new ArrayList<>();
    for (int i = 0; i < buffers.operands().size(); i++) {
      int slot = i;
      if (readers.size() <= slot) {
        readers.add(Executors.newSingleThreadExecutor(thread("read-" + slot)));
      }
      reads.add(
          readers
              .get(slot)
              .submit(
                  () -> {
                    MemorySegment part = buffers.operands().get(slot);
                    inputs.read(tensor, slot, first, n, part);
                    inputs.advance(part.byteSize());
                    return null;
                  }));
    }
    return new Load(index, kernel, first, n, apply, set, buffers, reads);
  }

  private boolean isLast(Load load) {
    return load.first + load.count == plan.tensors().get(load.index).elements();
  }

  /** What comes next as far as that is known before this chunk is worked on. */
  private @Nullable Load lookAhead(Load load) throws IOException {
    if (!isLast(load)) {
      return load(load.index, load.kernel, load.first + load.count, load.count, load.apply);
    }
    return load.apply ? tensor(load.index + 1) : null;
  }

  /** What comes after the last chunk. */
  private @Nullable Load after(Load load) throws IOException {
    Kernel kernel = load.kernel;
    if (load.apply || kernel == null) {
      return null;
    }
    long count = chunks.elements(plan.tensors().get(load.index), kernel);
    return load(load.index, kernel, 0, count, !kernel.wantsPass());
  }

  private void process(Load load) throws IOException {
    TensorPlan tensor = plan.tensors().get(load.index);
    Kernel kernel = load.kernel;
    MemorySegment result = load.buffers.out();
    if (kernel == null) {
      inputs.checkSame(tensor, load.buffers.operands(), load.first);
      result = load.buffers.operands().getFirst();
    } else if (!load.apply) {
      compute.observe(tensor, kernel, load.first, load.count, load.buffers);
      if (isLast(load)) {
        kernel.passed();
      }
      return;
    } else if (!byOps(load, tensor, kernel)) {
      while (kernel.wantsPass()) { // the whole tensor is here
        compute.observe(tensor, kernel, load.first, load.count, load.buffers);
        kernel.passed();
      }
      compute.apply(tensor, kernel, load.first, load.count, load.buffers);
    }
    write(load, tensor, result);
  }

  /** By a backend's ops, if it has them and the whole tensor is here. */
  private boolean byOps(Load load, TensorPlan tensor, Kernel kernel) {
    MergeOptions options = plan.merge().options();
    Backend given = options.backend();
    if (given == null || load.count < tensor.elements()) {
      return false;
    }
    if (ops == null) {
      // The merge's own serves many threads with one each; here one call has all of them.
      boolean device = BackendMerge.isDevice(given);
      threads =
          device ? null : Backends.open(given.name(), new BackendOptions(0, options.workers()));
      ops = new BackendMerge(threads == null ? given : threads);
    }
    return ops.run(tensor, kernel, 0, load.count, load.buffers);
  }

  private void write(Load load, TensorPlan tensor, MemorySegment result) {
    boolean last = isLast(load);
    Map<String, String> digests = last ? inputs.finish(tensor) : Map.of();
    bytesWritten.addAndGet(result.byteSize());
    writes.set(
        load.set,
        writer.submit(
            () -> {
              output.write(load.index, load.first * tensor.type().bits() / 8, result);
              if (last) {
                output.finish(load.index, digests);
              }
              inputs.advance(result.byteSize());
              return null;
            }));
  }

  private static void await(List<? extends Future<?>> futures) throws IOException {
    for (Future<?> future : futures) {
      try {
        future.get();
      } catch (ExecutionException e) {
        switch (e.getCause()) {
          case IOException io -> throw io;
          case RuntimeException other -> throw other;
          case Error error -> throw error;
          case null, default -> throw new IllegalStateException(e);
        }
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new IOException("the merge was interrupted", e);
      }
    }
  }

  /** Waits for what is under way: an interrupted read would close the channel of its file. */
  @Override
  public void close() {
    List<ExecutorService> all = new ArrayList<>(readers);
    all.add(writer);
    all.forEach(ExecutorService::shutdown);
    boolean ended = true;
    for (ExecutorService service : all) {
      try {
        ended &= service.awaitTermination(1, TimeUnit.MINUTES);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        ended = false;
      }
    }
    workers.close();
    compute.close();
    if (ops != null) {
      ops.close();
    }
    if (threads != null) {
      threads.close();
    }
    if (ended) { // else a thread may still write there
      arena.close();
    }
  }
}
