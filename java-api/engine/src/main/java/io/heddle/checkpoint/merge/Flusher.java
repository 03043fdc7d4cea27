package io.heddle.checkpoint.merge;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.jspecify.annotations.Nullable;

/**
 * Brings files to the disk while they are still being written. The system by itself begins when a
 * tenth of the memory is dirty: the disk would stand idle before, and the merge wait for it at the
 * end.
 */
final class Flusher implements AutoCloseable {
  private static final long AHEAD = 128L << 20; // bytes that were written since the last time

  private final ExecutorService thread =
      Executors.newSingleThreadExecutor(
          Thread.ofPlatform().name("heddle-merge-flush").daemon().factory());
  private final Set<FileChannel> touched = new LinkedHashSet<>();
  private @Nullable Future<?> running;
  private long dirty;

  Flusher() {}

  /** So many bytes were written to a file. */
  synchronized void wrote(FileChannel channel, long bytes) throws IOException {
    touched.add(channel);
    dirty += bytes;
    if (dirty < AHEAD || (running != null && !running.isDone())) {
      return;
    }
    finish(); // the system tells of a failed write once: it must not be lost
    List<FileChannel> now = new ArrayList<>(touched);
    touched.clear();
    dirty = 0;
    running =
        thread.submit(
            () -> {
              for (FileChannel file : now) {
                file.force(false);
              }
              return null;
            });
  }

  /** Waits for what is under way, and throws if it failed. */
  synchronized void finish() throws IOException {
    if (running == null) {
      return;
    }
    try {
      running.get();
      running = null;
    } catch (ExecutionException e) {
      throw e.getCause() instanceof IOException io ? io : new IOException(e.getCause());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("the merge was interrupted", e);
    }
  }

  /** Waits for what is under way; a merge that is given up does not mind whether it failed. */
  @Override
  public void close() {
    thread.shutdown();
    try {
      finish();
    } catch (IOException e) {
      running = null;
    }
  }
}
