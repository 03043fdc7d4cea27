package io.heddle.checkpoint;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.jspecify.annotations.Nullable;

/**
 * Reads of a file past the page cache (O_DIRECT), for what is not in it: the disk then writes where
 * we want to have it, which takes a tenth of the processor's time, and the cache keeps what others
 * have in it. Where the file system has no such reads, or memory does not tell, none happen.
 */
final class DirectReads implements AutoCloseable {
  private static final int PAGE = 4096;
  private static final int LEAST = 64 << 10; // smaller reads gain nothing
  private static final int PIECE = 1 << 20;

  // Per thread: the disk wants memory, sizes and places at whole blocks.
  private static final ThreadLocal<MemorySegment> ROOM =
      ThreadLocal.withInitial(() -> Arena.ofAuto().allocate(PIECE + 2 * PAGE, PAGE));

  private final FileChannel channel;
  private final MemorySegment file;

  private DirectReads(FileChannel channel, MemorySegment file) {
    this.channel = channel;
    this.file = file;
  }

  /**
   * For a file that is mapped at {@code file}; null where there are no such reads.
   *
   * @param file tells what is in the cache
   */
  static @Nullable DirectReads of(Path path, MemorySegment file) {
    try {
      long block = Files.getFileStore(path).getBlockSize();
      if (block > PAGE || PAGE % block != 0) {
        return null;
      }
      FileChannel channel = FileChannel.open(path, StandardOpenOption.READ, direct());
      return new DirectReads(channel, file);
    } catch (IOException | UnsupportedOperationException | ReflectiveOperationException e) {
      return null;
    }
  }

  // By name: the compiler warns of the class, which other JDKs need not have.
  private static OpenOption direct() throws ReflectiveOperationException {
    Class<?> options = Class.forName("com.sun.nio.file.ExtendedOpenOption");
    return (OpenOption) options.getField("DIRECT").get(null);
  }

  /** Whether bytes should be read here: their last page is not in the cache. */
  boolean wants(long at, long bytes) {
    long last = at + bytes - 1;
    return bytes >= LEAST && last < file.byteSize() && !file.asSlice(last, 1).isLoaded();
  }

  /** Fills {@code into} as far as the file goes from byte {@code at} on; returns how far. */
  long read(long at, MemorySegment into) throws IOException {
    MemorySegment room = ROOM.get();
    long done = 0;
    while (done < into.byteSize()) {
      long from = at + done;
      int skip = (int) (from % PAGE);
      int want = (int) Math.min(PIECE, into.byteSize() - done);
      int whole = (skip + want + PAGE - 1) / PAGE * PAGE;
      ByteBuffer buffer = room.asSlice(0, whole).asByteBuffer();
      int n = channel.read(buffer, from - skip) - skip;
      if (n <= 0) {
        return done;
      }
      long got = Math.min(n, want);
      MemorySegment.copy(room, skip, into, done, got);
      done += got;
      if (n < want && (skip + n) % PAGE != 0) {
        return done; // the end of the file
      }
    }
    return done;
  }

  @Override
  public void close() throws IOException {
    channel.close();
  }
}
