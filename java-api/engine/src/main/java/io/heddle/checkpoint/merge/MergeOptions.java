package io.heddle.checkpoint.merge;

import io.heddle.backend.Backend;
import org.jspecify.annotations.Nullable;

/**
 * Bounds of a merge; none of them changes a byte of the tensors.
 *
 * @param maxMemory most bytes of buffers, off and on the heap
 * @param shardSize most bytes of tensors in one file; larger models become several with an index
 * @param threads that compute; 0 is one per core
 * @param hash whether digests of all inputs are taken and recorded, as {@link Digests} has them
 * @param backend computes what it has ops for, called by all threads of the merge: one thread of
 *     its own is best; null leaves all to Java
 * @param progress is told of bytes read and written
 */
public record MergeOptions(
    long maxMemory,
    long shardSize,
    int threads,
    boolean hash,
    @Nullable Backend backend,
    Progress progress) {
  /** 2 GiB, shards of 5 GiB, all cores, with hashes. */
  public static final MergeOptions DEFAULT =
      new MergeOptions(2L << 30, 5L << 30, 0, true, null, (done, total) -> {});

  /** Takes note of how far a merge is. */
  @FunctionalInterface
  public interface Progress {
    /** So many bytes were read and written of so many in all. */
    void advance(long done, long total);
  }

  /** Checks. */
  public MergeOptions {
    if (maxMemory < 1 || shardSize < 1 || threads < 0) {
      throw new IllegalArgumentException(
          "memory, shard size and threads must be positive: "
              + maxMemory
              + ", "
              + shardSize
              + ", "
              + threads);
    }
  }

  /** With another limit of memory. */
  public MergeOptions maxMemory(long bytes) {
    return new MergeOptions(bytes, shardSize, threads, hash, backend, progress);
  }

  /** With shards of another size. */
  public MergeOptions shardSize(long bytes) {
    return new MergeOptions(maxMemory, bytes, threads, hash, backend, progress);
  }

  /** With another number of threads. */
  public MergeOptions threads(int threads) {
    return new MergeOptions(maxMemory, shardSize, threads, hash, backend, progress);
  }

  /** With or without hashes of the inputs. */
  public MergeOptions hash(boolean hash) {
    return new MergeOptions(maxMemory, shardSize, threads, hash, backend, progress);
  }

  /** With a backend that computes. */
  public MergeOptions backend(Backend backend) {
    return new MergeOptions(maxMemory, shardSize, threads, hash, backend, progress);
  }

  /** With a listener. */
  public MergeOptions progress(Progress progress) {
    return new MergeOptions(maxMemory, shardSize, threads, hash, backend, progress);
  }

  /** Threads that compute. */
  int workers() {
    return threads > 0 ? threads : Runtime.getRuntime().availableProcessors();
  }
}
