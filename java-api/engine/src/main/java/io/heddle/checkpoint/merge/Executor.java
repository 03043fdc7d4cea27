package io.heddle.checkpoint.merge;

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
import org.jspecify.annotations.Nullable;

/**
 * Runs a plan chunk by chunk: while one chunk is computed on, the next is read, by one thread per
 * operand, and the last is written. A tensor that fits one chunk is read once, however many passes
 * its method takes; a larger one is read again for each pass.
 */
final class Executor implements AutoCloseable {
  private final MergePlan plan;
  private final MergeOutput output;
  private final Inputs inputs;
  private final Chunks chunks;
  private final Workers workers;
  private final Compute compute;
  private final List<ExecutorService> readers = new ArrayList<>();
  private final ExecutorService writer;
  private final Arena arena = Arena.ofShared();
  private final MemorySegment[] sets = new MemorySegment[Chunks.SETS];
  private final List<@Nullable Future<?>> writes = new ArrayList<>();
  private int nextSet;
  private long bytesWritten;

  /** A chunk of a tensor on its way. */
  private record Load(
      int index, @Nullable Kernel kernel, long first, long count, boolean apply, Buffers buffers) {}

  /** The memory of a chunk: one part per operand, and the result's. */
  record Buffers(int set, List<MemorySegment> operands, MemorySegment out, List<Future<?>> reads) {}

  Executor(MergePlan plan, MergeOutput output) {
    this.plan = plan;
    this.output = output;
    MergeOptions options = plan.merge().options();
    this.inputs = new Inputs(plan, output.digests());
    this.chunks = new Chunks(options);
    this.workers = new Workers(options.workers());
    this.compute = new Compute(workers, options.backend());
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
    return bytesWritten;
  }

  /** Brings all tensors to the output and commits it. */
  void run() throws IOException {
    Load load = tensor(0);
    while (load != null) {
      await(load.buffers.reads);
      Load next = lookAhead(load);
      process(load);
      load = next == null ? after(load) : next;
    }
    for (Future<?> write : writes) {
      await(write == null ? List.of() : List.of(write));
    }
    inputs.checkUnchanged();
    output.commit(plan.hashes(inputs.digests()));
  }

  /** The first chunk of the first tensor from {@code index} on that is not there yet. */
  private @Nullable Load tensor(int index) throws IOException {
    int i = index;
    while (i < plan.tensors().size() && output.has(i)) {
      i++;
    }
    if (i == plan.tensors().size()) {
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
    List<MemorySegment> operands = new ArrayList<>();
    List<Future<?>> reads = new ArrayList<>();
    long at = 0;
    for (TensorPlan.Input input : tensor.inputs()) {
      int slot = operands.size();
      MemorySegment part = sets[set].asSlice(at, n * input.type().bits() / 8);
      operands.add(part);
      at += Chunks.room(input.type(), n);
      while (readers.size() <= slot) {
        readers.add(Executors.newSingleThreadExecutor(thread("read-" + slot)));
      }
      reads.add(
          readers
              .get(slot)
              .submit(
                  () -> {
                    inputs.read(tensor, slot, first, n, part);
                    return null;
                  }));
    }
    MemorySegment out = sets[set].asSlice(at, n * tensor.type().bits() / 8);
    return new Load(index, kernel, first, n, apply, new Buffers(set, operands, out, reads));
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
    MemorySegment result = load.buffers.out;
    if (kernel == null) {
      inputs.checkSame(tensor, load.buffers.operands, load.first);
      result = load.buffers.operands.getFirst();
    } else if (!load.apply) {
      compute.observe(tensor, kernel, load.first, load.count, load.buffers);
      if (isLast(load)) {
        kernel.passed();
      }
      return;
    } else {
      while (kernel.wantsPass()) { // the whole tensor is here
        compute.observe(tensor, kernel, load.first, load.count, load.buffers);
        kernel.passed();
      }
      compute.apply(tensor, kernel, load.first, load.count, load.buffers);
    }
    write(load, tensor, result);
  }

  private void write(Load load, TensorPlan tensor, MemorySegment result) {
    boolean last = isLast(load);
    Map<String, String> digests = last ? inputs.finish(tensor) : Map.of();
    bytesWritten += result.byteSize();
    writes.set(
        load.buffers.set,
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
    if (ended) { // else a thread may still write there
      arena.close();
    }
  }
}
