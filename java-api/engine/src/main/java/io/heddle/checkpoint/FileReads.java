package io.heddle.checkpoint;

import java.io.EOFException;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;

/** Reading at a position, and what identifies a file. */
final class FileReads {
  private static final long PIECE = 1 << 30; // a ByteBuffer's size is an int

  private FileReads() {}

  /** Fills {@code into} from byte {@code at} of the file. */
  static void fully(FileChannel channel, Path path, long at, MemorySegment into)
      throws IOException {
    for (long done = 0; done < into.byteSize(); ) {
      ByteBuffer piece = into.asSlice(done, Math.min(PIECE, into.byteSize() - done)).asByteBuffer();
      int n = channel.read(piece, at + done);
      if (n < 0) {
        throw new EOFException(path + " became shorter while it was read");
      }
      done += n;
    }
  }

  /** Path, size, and the time of the last change. */
  static String identity(Path path) throws IOException {
    BasicFileAttributes of = Files.readAttributes(path, BasicFileAttributes.class);
    return path.toAbsolutePath().normalize()
        + " "
        + of.size()
        + " "
        + of.lastModifiedTime().toInstant()
        + " "
        + of.fileKey();
  }
}
