package io.heddle.data;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/**
 * Token ids of documents in a mapped file, of any size. Little-endian: {@code HDTOKENS}, version,
 * bytes of an id (2 or 4), number of documents, number of tokens; the ids; at the next multiple of
 * 8 the place where each document begins, and the end of the last. Safe for many threads.
 */
public final class TokenFile implements AutoCloseable {
  static final long MAGIC = 0x534E454B4F544448L; // "HDTOKENS"
  static final int VERSION = 1;
  static final int HEADER = 32;
  static final ValueLayout.OfLong LONG =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  static final ValueLayout.OfInt INT =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfShort SHORT =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private final Arena arena;
  private final MemorySegment memory;
  private final int width;
  private final long documents;
  private final long tokens;
  private final long starts;

  private TokenFile(Arena arena, MemorySegment memory, Path file) throws IOException {
    this.arena = arena;
    this.memory = memory;
    long size = memory.byteSize();
    if (size < HEADER || memory.get(LONG, 0) != MAGIC || memory.get(INT, 8) != VERSION) {
      throw new IOException(file + " is no token file of version " + VERSION);
    }
    this.width = memory.get(INT, 12);
    this.documents = memory.get(LONG, 16);
    this.tokens = memory.get(LONG, 24);
    this.starts = starts(tokens, width);
    if ((width != 2 && width != 4)
        || documents < 0
        || tokens < 0
        || size != starts + 8 * (documents + 1)) {
      throw new IOException(file + " is damaged: its size does not fit its header; delete it");
    }
  }

  static long starts(long tokens, int width) {
    return Math.ceilDiv(HEADER + tokens * width, 8L) * 8;
  }

  /**
   * Maps a file.
   *
   * @throws IOException naming the file
   */
  public static TokenFile open(Path file) throws IOException {
    Arena arena = Arena.ofShared();
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
      return new TokenFile(
          arena, channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena), file);
    } catch (IOException | RuntimeException e) {
      arena.close();
      throw e;
    }
  }

  /** Number of tokens. */
  public long size() {
    return tokens;
  }

  /** Number of documents. */
  public long documents() {
    return documents;
  }

  /** {@code count} tokens from {@code from} on, across documents. */
  public int[] tokens(long from, int count) {
    if (from < 0 || count < 0 || from + count > tokens) {
      throw new IndexOutOfBoundsException(count + " tokens from " + from + " of " + tokens);
    }
    int[] out = new int[count];
    for (int i = 0; i < count; i++) {
      long at = HEADER + (from + i) * width;
      out[i] = width == 2 ? Short.toUnsignedInt(memory.get(SHORT, at)) : memory.get(INT, at);
    }
    return out;
  }

  /** The tokens of a document. */
  public int[] document(long number) {
    if (number < 0 || number >= documents) {
      throw new IndexOutOfBoundsException("document " + number + " of " + documents);
    }
    long from = memory.get(LONG, starts + 8 * number);
    return tokens(from, Math.toIntExact(memory.get(LONG, starts + 8 * number + 8) - from));
  }

  @Override
  public void close() {
    arena.close();
  }
}
