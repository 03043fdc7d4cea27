package io.heddle.binding.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class GemmAlgorithmsTest {
  private static final List<String> CANDIDATES =
      List.of("a".repeat(128), "b".repeat(128), "c".repeat(128));

  @TempDir Path folder = Path.of("");

  // A device on which candidate i takes so many microseconds; -1: the library refuses it.
  private static final class Clock implements GemmAlgorithms.Device {
    private final int[] micros;
    private long now;
    private int started;
    private int held;

    Clock(int... micros) {
      this.micros = micros;
    }

    @Override
    public long alloc(long bytes) {
      held++;
      return bytes;
    }

    @Override
    public void free(long address) {
      held--;
    }

    @Override
    public void sync() {
      now++;
    }

    @Override
    public long nanos() {
      return now;
    }

    boolean run(int candidate, long scratch) {
      started++;
      now += 1000L * Math.max(0, micros[candidate]);
      return micros[candidate] >= 0;
    }

    int choose(Path file, String where, String product, List<String> candidates) {
      int chosen = new GemmAlgorithms(this, file, where).of(product, candidates, 64, this::run);
      assertEquals(0, held);
      return chosen;
    }
  }

  @Test
  void theFastestIsFoundOnceAndKept() {
    Path file = folder.resolve("new/algorithms");
    assertEquals(2, new Clock(20, -1, 2).choose(file, "gpu", "p", CANDIDATES));
    Clock later = new Clock(1, 1, 1);
    assertEquals(2, later.choose(file, "gpu", "p", CANDIDATES));
    assertEquals(0, later.started);
    // What another product, GPU or version of the library takes is another matter.
    assertEquals(0, new Clock(2, 20, 20).choose(file, "gpu", "q", CANDIDATES));
    assertEquals(1, new Clock(20, 2, 20).choose(file, "other", "p", CANDIDATES));
    assertEquals(0, new Clock(2, 20, 20).choose(file, "gpu", "p", CANDIDATES.subList(0, 2)));
    assertEquals(0, new Clock(20, 20, 2).choose(file, "gpu", "q", CANDIDATES));
  }

  @Test
  void noCandidateThatRunsIsTheFirst() {
    assertEquals(0, new Clock(-1, -1, -1).choose(folder.resolve("a"), "gpu", "p", CANDIDATES));
  }

  @Test
  void anotherFileIsRefusedByName() throws IOException {
    Path file = Files.writeString(folder.resolve("notes.txt"), "buy milk\n");
    IllegalArgumentException e =
        assertThrows(
            IllegalArgumentException.class, () -> new GemmAlgorithms(new Clock(), file, "gpu"));
    assertTrue(String.valueOf(e.getMessage()).contains("notes.txt"), e.getMessage());
  }
}
