package io.heddle.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DirectReadsTest {
  private static final int BYTES = 3_000_017;

  @TempDir private Path folder = Path.of("");

  /** At any place, of any length, over the end; and what has just been written is in the cache. */
  @Test
  void theSameBytes() throws IOException {
    Path path = folder.resolve("file");
    byte[] bytes = new byte[BYTES];
    Random random = new Random(1);
    random.nextBytes(bytes);
    Files.write(path, bytes);
    MemorySegment expected = MemorySegment.ofArray(bytes);
    try (Arena arena = Arena.ofShared();
        FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
      MemorySegment file = channel.map(FileChannel.MapMode.READ_ONLY, 0, BYTES, arena);
      try (DirectReads direct = DirectReads.of(path, file)) {
        assumeTrue(direct != null, "this file system has no reads past the cache");
        if (direct == null) {
          return;
        }
        assertFalse(direct.wants(0, 1), "too small");
        assertFalse(direct.wants(BYTES - 100_000, 200_000), "beyond the end");
        assertFalse(direct.wants(0, 100_000), "in the cache");
        long[][] parts = {
          {0, 1}, {0, 4096}, {4095, 2}, {1, 1_048_576}, {4096, 2_500_000}, {123_457, 2_876_560}
        };
        for (int i = 0; i < 40; i++) {
          long at = i < parts.length ? parts[i][0] : random.nextInt(BYTES);
          long most = BYTES - at;
          long length = i < parts.length ? parts[i][1] : 1 + (long) (random.nextDouble() * most);
          MemorySegment into = arena.allocate(length);
          assertEquals(length, direct.read(at, into));
          assertEquals(-1, into.mismatch(expected.asSlice(at, length)), at + " " + length);
        }
        MemorySegment into = arena.allocate(100_000);
        assertEquals(70_000, direct.read(BYTES - 70_000, into));
        MemorySegment tail = into.asSlice(0, 70_000);
        assertEquals(-1, tail.mismatch(expected.asSlice(BYTES - 70_000)));
        assertEquals(0, direct.read(BYTES, into));
      }
    }
  }
}
