package io.heddle.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.checkpoint.Checkpoint;
import io.heddle.checkpoint.MemoryTensors;
import io.heddle.checkpoint.StorageType;
import io.heddle.checkpoint.merge.Merge;
import io.heddle.checkpoint.merge.MergeOptions;
import io.heddle.checkpoint.merge.MergeResult;
import io.heddle.checkpoint.merge.Method;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** kill -9 in the middle of a merge, then the same merge again. */
class InterruptedMergeTest {
  private static final int TENSORS = 96;
  private static final int ELEMENTS = 1 << 20; // bf16: 192 MiB a model

  private static void save(Path to, int seed) throws IOException {
    try (Arena arena = Arena.ofShared()) {
      MemorySegment numbers = arena.allocate(2L * ELEMENTS + 2L * TENSORS, 64);
      Random random = new Random(seed);
      for (long at = 0; at < numbers.byteSize(); at += 2) { // finite: small exponents
        numbers.set(ValueLayout.JAVA_SHORT, at, (short) (0x3c00 + random.nextInt(0x300)));
      }
      MemoryTensors tensors = new MemoryTensors();
      for (int i = 0; i < TENSORS; i++) {
        tensors.add(
            "model.layers.%d.w".formatted(i),
            StorageType.BF16,
            numbers.asSlice(2L * i, 2L * ELEMENTS),
            1024,
            ELEMENTS / 1024);
      }
      try (Checkpoint model = Checkpoint.of("model", tensors)) {
        Merge.of(Method.PASSTHROUGH, null)
            .add(model)
            .options(MergeOptions.DEFAULT.shardSize(64 << 20))
            .writeTo(to);
      }
    }
  }

  private static MergeResult merge(Path folder) throws IOException {
    try (Checkpoint base = Checkpoint.open(folder.resolve("base"));
        Checkpoint a = Checkpoint.open(folder.resolve("a"))) {
      return Merge.of(Method.TIES, base)
          .add(a, 0.5)
          .set("density", 0.3)
          .options(MergeOptions.DEFAULT.shardSize(64 << 20).threads(1))
          .writeTo(folder.resolve("out"));
    }
  }

  private static void models(Path folder) throws IOException {
    save(folder.resolve("base"), 1);
    save(folder.resolve("a"), 2);
  }

  /** The process that is killed. */
  public static void main(String[] arguments) throws IOException {
    merge(Path.of(arguments[0]));
  }

  private static List<String> names(Path folder) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.map(f -> f.getFileName().toString()).sorted().toList();
    }
  }

  @Test
  void theSameBytesAfterKill9(@TempDir Path folder) throws Exception {
    models(folder);
    Path work = folder.resolve(".out.merging");
    Process process =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-cp",
                System.getProperty("java.class.path"),
                InterruptedMergeTest.class.getName(),
                folder.toString())
            .redirectErrorStream(true)
            .redirectOutput(folder.resolve("log").toFile())
            .start();
    long done = 0;
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(120);
    while (done < 10 && process.isAlive() && System.nanoTime() < deadline) {
      Thread.sleep(5);
      Path journal = work.resolve("journal");
      if (Files.exists(journal)) {
        done = Files.readString(journal).lines().count();
      }
    }
    process.destroyForcibly().waitFor(); // SIGKILL
    assertEquals(137, process.exitValue(), Files.readString(folder.resolve("log")));
    assertFalse(Files.exists(folder.resolve("out")));
    assertTrue(Files.exists(work.resolve("journal")));

    MergeResult result = merge(folder);
    assertTrue(result.bytesReused() >= 8L * 2 * ELEMENTS, result.toString());
    assertTrue(result.bytesWritten() < (long) TENSORS * 2 * ELEMENTS, result.toString());
    assertFalse(Files.exists(work));
    sameAsAFreshRun(folder);
  }

  /** A limit on the size of files is what comes nearest to a full disk without one. */
  @Test
  void aDiskThatTakesNoMore(@TempDir Path folder) throws Exception {
    models(folder);
    String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
    String command =
        "ulimit -f 40000; exec '%s' -cp '%s' %s '%s'"
            .formatted(
                java,
                System.getProperty("java.class.path"),
                InterruptedMergeTest.class.getName(),
                folder);
    ChildJvm.Ended ended = ChildJvm.run(List.of("bash", "-c", command), folder, Map.of());
    assertEquals(1, ended.status(), ended.output());
    assertTrue(
        ended.output().contains("cannot be written (") && ended.output().contains(".out.merging"),
        ended.output());
    assertFalse(Files.exists(folder.resolve("out")));
    assertTrue(merge(folder).bytesReused() >= 2L * ELEMENTS);
    sameAsAFreshRun(folder);
  }

  private static void sameAsAFreshRun(Path folder) throws IOException {
    Files.move(folder.resolve("out"), folder.resolve("resumed"));
    assertEquals(0, merge(folder).bytesReused());
    assertEquals(names(folder.resolve("out")), names(folder.resolve("resumed")));
    assertEquals(4, names(folder.resolve("out")).size());
    for (String name : names(folder.resolve("out"))) {
      assertEquals(
          -1,
          Files.mismatch(
              folder.resolve("out").resolve(name), folder.resolve("resumed").resolve(name)),
          name);
    }
  }
}
