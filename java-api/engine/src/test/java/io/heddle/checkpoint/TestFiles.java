package io.heddle.checkpoint;

import io.heddle.tensor.DType;
import io.heddle.tensor.Storage;
import io.heddle.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;

/** Files and tensors for the tests of this package. */
final class TestFiles {
  private TestFiles() {}

  /** A file with this header, unchanged, and so many bytes of data: 0, 1, 2, ... */
  static byte[] file(String header, int dataBytes) {
    return file(header.getBytes(StandardCharsets.UTF_8), dataBytes);
  }

  /** As {@link #file(String, int)}, for headers that are not text. */
  static byte[] file(byte[] header, int dataBytes) {
    ByteBuffer out = ByteBuffer.allocate(8 + header.length + dataBytes);
    out.order(ByteOrder.LITTLE_ENDIAN).putLong(header.length).put(header);
    for (int i = 0; i < dataBytes; i++) {
      out.put((byte) i);
    }
    return out.array();
  }

  /** A header's member for one tensor. */
  static String member(String name, String dtype, String shape, String offsets) {
    return "\"%s\":{\"dtype\":\"%s\",\"shape\":[%s],\"data_offsets\":[%s]}"
        .formatted(name, dtype, shape, offsets);
  }

  /** A header of these members. */
  static String header(String... members) {
    return "{" + String.join(",", members) + "}";
  }

  /** Reads a file that is in memory. */
  static Header read(byte[] file) {
    return Header.read(MemorySegment.ofArray(file), "test file");
  }

  /** A tensor of its own memory, which the collector frees. */
  static Tensor tensor(DType dtype, double[] values, long... shape) {
    MemorySegment memory = Arena.ofAuto().allocate(Math.max(1, values.length * dtype.bytes()), 64);
    Tensor tensor = Tensor.of(Storage.host(memory, address -> {}), 0, dtype, shape);
    return tensor.copyFrom(values);
  }

  /** Names of all files in a folder. */
  static List<String> names(Path folder) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.map(f -> f.getFileName().toString()).sorted().toList();
    }
  }

  /** The repository's folder; skips the test when it is run elsewhere. */
  static Path root() throws IOException {
    for (Path p = Path.of("").toAbsolutePath(); p != null; p = p.getParent()) {
      Path pom = p.resolve("pom.xml");
      if (Files.isDirectory(p.resolve("native"))
          && Files.exists(pom)
          && Files.readString(pom).contains("<artifactId>heddle</artifactId>")) {
        return p;
      }
    }
    return Assumptions.abort("not run inside the repository");
  }

  /** A folder of the shared data; skips the test when it is not there. */
  static Path data(String folder) throws IOException {
    String set = System.getenv("HEDDLE_DATA");
    Path data = set != null ? Path.of(set) : root().resolve("../shared/data").normalize();
    Path found = data.resolve(folder);
    Assumptions.assumeTrue(
        Files.isDirectory(found), found + " is not there: set HEDDLE_DATA to the data folder");
    return found;
  }
}
