package io.heddle.checkpoint.merge;

import io.heddle.checkpoint.StorageType;
import java.lang.foreign.MemorySegment;
import java.security.MessageDigest;
import java.util.concurrent.atomic.AtomicLong;
import java.util.zip.CRC32C;

/**
 * The digest of a tensor's bytes: SHA-256 of the CRC-32C of each run of {@link #RUN} elements, the
 * last one shorter, four bytes each, the highest first. Runs may come in any order and from many
 * threads, so that whoever has a run in its cache takes its sum: forty times as fast as SHA-256 of
 * all bytes (48 and 1.2 GB/s of one core). It tells bytes that changed by accident, and one model
 * from another; who wants to forge bytes of the same digest can.
 */
final class RunSums {
  /** Elements of a run: of 16 bit types, three runs and a result stay in a core's cache. */
  static final int RUN = 1 << 16;

  private final long bytes;
  private final long runBytes;
  private final byte[] sums;
  private final AtomicLong taken = new AtomicLong();
  private final CRC32C part = new CRC32C();

  RunSums(StorageType type, long elements) {
    this.bytes = elements * type.bits() / 8;
    this.runBytes = (long) RUN * type.bits() / 8;
    this.sums = new byte[Math.toIntExact(4 * ((elements + RUN - 1) / RUN))];
  }

  /** Takes bytes from {@code offset} on; parts of one run in order, and by one thread at a time. */
  void update(long offset, MemorySegment of) {
    for (long at = offset, end = offset + of.byteSize(); at < end; ) {
      long begin = at / runBytes * runBytes;
      long stop = Math.min(begin + runBytes, bytes);
      long to = Math.min(stop, end);
      MemorySegment some = of.asSlice(at - offset, to - at);
      if (at == begin && to == stop) {
        CRC32C whole = new CRC32C();
        whole.update(some.asByteBuffer());
        set(begin / runBytes, whole.getValue(), stop - begin);
      } else {
        if (at == begin) {
          part.reset();
        }
        part.update(some.asByteBuffer());
        if (to == stop) {
          set(begin / runBytes, part.getValue(), stop - begin);
        }
      }
      at = to;
    }
  }

  private void set(long run, long sum, long length) {
    for (int i = 0; i < 4; i++) {
      sums[(int) (4 * run) + i] = (byte) (sum >>> (24 - 8 * i));
    }
    taken.addAndGet(length);
  }

  /** Whether all runs were taken. */
  boolean isWhole() {
    return taken.get() == bytes;
  }

  /** In hexadecimal digits, {@link Digests#LENGTH} of them. */
  String digest() {
    MessageDigest all = Digests.sha256();
    all.update(sums);
    return Digests.hex(all);
  }
}
