package io.heddle.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A file that does not fit a Java array or buffer; sparse, so that it takes no room on most file
 * systems.
 */
class LargeFileTest {
  @Test
  void tensorBehindTwoGibibytes(@TempDir Path folder) throws IOException {
    assumeTrue(
        Files.getFileStore(folder).getUsableSpace() > 6L << 30, "less than 6 GiB free: skipped");
    long big = 5L << 29; // 2.5 GiB
    String header =
        TestFiles.header(
            TestFiles.member("big", "F32", String.valueOf(big / 4), "0," + big),
            TestFiles.member("end", "F32", "4", big + "," + (big + 16)));
    Path file = Files.write(folder.resolve("large.safetensors"), TestFiles.file(header, 0));
    long dataBegin = Files.size(file);
    try (RandomAccessFile out = new RandomAccessFile(file.toFile(), "rw")) {
      out.setLength(dataBegin + big + 16);
      out.seek(dataBegin + big - 4);
      out.writeInt(Integer.reverseBytes(Float.floatToIntBits(5f)));
      out.seek(dataBegin + big + 12);
      out.writeInt(Integer.reverseBytes(Float.floatToIntBits(7f)));
    }
    try (SafetensorsFile open = SafetensorsFile.open(file)) {
      assertEquals(big, open.segment("big").byteSize());
      assertEquals(5, open.tensor("big").get(big / 4 - 1));
      assertEquals(0, open.tensor("big").get(0));
      assertEquals(7, open.tensor("end").get(3));
    } finally {
      Files.delete(file);
    }
  }
}
