package io.heddle.checkpoint;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Files that torch.save wrote and files that attack readers of them: tests/golden/make_torch.py.
 */
class TorchFileTest {
  private static Path golden() throws IOException {
    return TestFiles.root().resolve("tests/golden/torch");
  }

  private static List<Path> files(boolean hostile) throws IOException {
    try (Stream<Path> files = Files.list(golden())) {
      return files
          .filter(f -> f.toString().endsWith(".pt"))
          .filter(f -> f.getFileName().toString().startsWith("bad-") == hostile)
          .sorted()
          .toList();
    }
  }

  static List<Path> good() throws IOException {
    return files(false);
  }

  static List<Path> hostile() throws IOException {
    return files(true);
  }

  @ParameterizedTest
  @MethodSource("good")
  void sameTensorsAsSafetensors(Path file) throws IOException {
    Path twin = Path.of(file.toString().replace(".pt", ".safetensors"));
    try (Checkpoint torch = Checkpoint.open(file);
        Checkpoint expected = Checkpoint.open(twin)) {
      assertEquals(new HashSet<>(expected.names()), new HashSet<>(torch.names()));
      for (String name : expected.names()) {
        TensorEntry entry = torch.entry(name);
        assertEquals(expected.entry(name).type(), entry.type(), name);
        assertArrayEquals(expected.entry(name).shape(), entry.shape(), name);
        assertEquals(-1, torch.segment(name).mismatch(expected.segment(name)), name);
        // In pieces that begin anywhere.
        int width = entry.type().bits() / 8;
        byte[] piece = new byte[width * Math.toIntExact(Math.min(2, entry.elements()))];
        for (long at = 0; at + piece.length <= entry.bytes(); at += width) {
          torch.read(name, at, MemorySegment.ofArray(piece));
          MemorySegment own = expected.segment(name).asSlice(at, piece.length);
          assertEquals(-1, own.mismatch(MemorySegment.ofArray(piece)), name + " at " + at);
          if (piece.length == 0) {
            break;
          }
        }
        if (entry.type().dtype() != null) {
          assertArrayEquals(expected.tensor(name).toDoubles(), torch.tensor(name).toDoubles());
        }
      }
    }
  }

  @Test
  void theCorpusIsThere() throws IOException {
    assertEquals(9, good().size());
    assertTrue(hostile().size() > 50, hostile().size() + " hostile files");
  }

  @ParameterizedTest
  @MethodSource("hostile")
  void hostileFilesAreRefusedInASentence(Path file) throws IOException {
    Exception e =
        assertTimeoutPreemptively(
            Duration.ofSeconds(20),
            () -> assertThrows(PickleException.class, () -> Checkpoint.open(file).close()));
    assertTrue(e.toString().contains(file.toString()), e.toString());
    assertTrue(Files.notExists(Path.of("heddle-was-here")), file + " was run");
    assertTrue(Files.notExists(TestFiles.root().resolve("heddle-was-here")), file + " was run");
  }

  @ParameterizedTest
  @ValueSource(strings = {"system", "eval", "exec4", "getattr", "nested"})
  void whatWouldRunIsNamed(String name) throws IOException {
    var e =
        assertThrows(
            PickleException.class,
            () -> TorchFile.open(golden().resolve("bad-" + name + ".pt")).close());
    assertTrue(e.toString().contains("which is not run"), e.toString());
    boolean named =
        Stream.of("posix.system", "eval", "exec", "getattr", "map")
            .anyMatch(e.toString()::contains);
    assertTrue(named, e.toString());
  }

  @Test
  void anInspectionListsThem() throws IOException {
    Inspection inspection = Inspection.of(golden().resolve("strided.pt"));
    assertEquals(6, inspection.tensors().size());
    assertTrue(inspection.toText().matches("(?s).*whole +F32.*"), inspection.toText());
  }

  /** Random damage: a sentence or the tensors, and never anything else. */
  @ParameterizedTest
  @ValueSource(strings = {"strided", "dtypes", "training", "protocol4"})
  void damageNeverDoesMoreThanFail(String name, @TempDir Path folder) throws IOException {
    byte[] whole = Files.readAllBytes(golden().resolve(name + ".pt"));
    Random random = new Random(name.hashCode());
    int refused = 0;
    for (int round = 0; round < 1500; round++) {
      byte[] bytes = whole.clone();
      for (int k = random.nextInt(4); k >= 0; k--) {
        // Headers, pickle and directory rather than the tensors between them.
        int at = random.nextBoolean() ? random.nextInt(900) : random.nextInt(bytes.length);
        bytes[at] = (byte) random.nextInt(256);
      }
      Path file = Files.write(folder.resolve("damaged.pt"), bytes);
      try (TorchFile open = TorchFile.open(file)) {
        for (TensorEntry entry : open.entries()) {
          assertEquals(entry.bytes(), open.segment(entry.name()).byteSize());
          assertTrue(entry.bytes() <= bytes.length, entry.toString());
        }
      } catch (PickleException e) {
        refused++;
      }
    }
    assertTrue(refused > 300, refused + " of 1500 were refused");
  }
}
