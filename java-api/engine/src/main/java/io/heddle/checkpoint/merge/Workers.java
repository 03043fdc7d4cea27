package io.heddle.checkpoint.merge;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicLong;

/** Threads that share the blocks of a chunk among them. */
final class Workers implements AutoCloseable {
  /** Work on one block. */
  @FunctionalInterface
  interface Work {
    void run(int worker, long block);
  }

  private final int count;
  private final ExecutorService pool;

  Workers(int count) {
    this.count = count;
    this.pool =
        Executors.newFixedThreadPool(
            count, Thread.ofPlatform().name("heddle-merge-", 0).daemon().factory());
  }

  int count() {
    return count;
  }

  /** Runs all blocks; the first failure is thrown here. */
  void forEach(long from, long to, Work work) {
    if (to - from <= 2 || count == 1) {
      for (long block = from; block < to; block++) {
        work.run(0, block);
      }
      return;
    }
    AtomicLong next = new AtomicLong(from);
    List<Future<?>> running = new ArrayList<>();
    for (int w = 0; w < count; w++) {
      int worker = w;
      running.add(
          pool.submit(
              () -> {
                for (long b = next.getAndIncrement(); b < to; b = next.getAndIncrement()) {
                  work.run(worker, b);
                }
              }));
    }
    RuntimeException failed = null;
    for (Future<?> future : running) {
      try {
        future.get();
      } catch (ExecutionException e) {
        next.set(to);
        failed = failed == null ? unwrapped(e) : failed;
      } catch (InterruptedException e) {
        next.set(to);
        Thread.currentThread().interrupt();
        failed = new IllegalStateException("the merge was interrupted", e);
      }
    }
    if (failed != null) {
      throw failed;
    }
  }

  private static RuntimeException unwrapped(ExecutionException failed) {
    return switch (failed.getCause()) {
      case RuntimeException e -> e;
      case Error e -> throw e;
      case null, default -> new IllegalStateException(failed);
    };
  }

  @Override
  public void close() {
    pool.shutdownNow();
  }
}
