package io.heddle.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

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
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * kill -9 in the middle of a merge, a disk that is full, memory that is small; then the same merge
 * again. {@code -Dheddle.test.mergeBytes=3221225472} kills a merge of models of that size.
 */
class InterruptedMergeTest {
  private static final String SIZE = "heddle.test.mergeBytes";
  private static final int ELEMENTS = 1 << 20;
  private static final int TENSORS = // bf16: 192 MiB a model without the property
      (int) Math.max(96, Long.getLong(SIZE, 0) / (2L * ELEMENTS));
  private static final long SHARD = TENSORS == 96 ? 64L << 20 : 512L << 20;
  private static final long MEMORY = 64L << 20; // of the child whose memory is small

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
            .options(MergeOptions.DEFAULT.shardSize(SHARD))
            .writeTo(to);
      }
    }
  }

  private static MergeResult merge(Path folder) throws IOException {
    return merge(folder, folder.resolve("out"), MergeOptions.DEFAULT);
  }

  // Slow in small, so that there is a middle to be killed in; quick where there is much to do.
  private static MergeResult merge(Path folder, Path out, MergeOptions options) throws IOException {
    try (Checkpoint base = Checkpoint.open(folder.resolve("base"));
        Checkpoint a = Checkpoint.open(folder.resolve("a"))) {
      Merge merge =
          TENSORS == 96 ? Merge.of(Method.TIES, base).set("density", 0.3) : Merge.dem(base);
      return merge.add(a, 0.5).options(options.shardSize(SHARD).threads(1)).writeTo(out);
    }
  }

  private static void models(Path folder) throws IOException {
    save(folder.resolve("base"), 1);
    save(folder.resolve("a"), 2);
  }

  /** The process that is killed: FOLDER, and OUT and the bytes of memory it may use. */
  public static void main(String[] arguments) throws IOException {
    Path folder = Path.of(arguments[0]);
    if (arguments.length == 1) {
      merge(folder);
      return;
    }
    MergeOptions options = MergeOptions.DEFAULT.maxMemory(Long.parseLong(arguments[2]));
    merge(folder, Path.of(arguments[1]), options);
    Files.readAllLines(Path.of("/proc/self/status")).stream()
        .filter(line -> line.startsWith("VmHWM:"))
        .forEach(System.out::println);
  }

  private static List<String> child(String... arguments) {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.add("-Xmx48m");
    command.add("-D" + SIZE + "=" + Long.getLong(SIZE, 0));
    command.addAll(List.of("-cp", System.getProperty("java.class.path")));
    command.add(InterruptedMergeTest.class.getName());
    command.addAll(List.of(arguments));
    return command;
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
        new ProcessBuilder(child(folder.toString()))
            .redirectErrorStream(true)
            .redirectOutput(folder.resolve("log").toFile())
            .start();
    long done = 0;
    long deadline = System.nanoTime() + TimeUnit.MINUTES.toNanos(TENSORS == 96 ? 2 : 60);
    while (done < TENSORS / 9 && process.isAlive() && System.nanoTime() < deadline) {
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
    assertTrue(result.bytesReused() >= TENSORS / 12 * 2L * ELEMENTS, result.toString());
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

  /** A disk of its own that is too small, where this machine lets us make one. */
  @Test
  void aFullDisk(@TempDir Path folder) throws Exception {
    assumeTrue(TENSORS == 96, "small models are enough");
    Path disk = Files.createDirectory(folder.resolve("disk"));
    Process mount =
        new ProcessBuilder("mount", "-t", "tmpfs", "-o", "size=90m", "none", disk.toString())
            .redirectErrorStream(true)
            .redirectOutput(folder.resolve("mount.log").toFile())
            .start();
    assumeTrue(mount.waitFor() == 0, "only root may mount");
    try {
      models(folder);
      Path out = disk.resolve("out");
      ChildJvm.Ended ended =
          ChildJvm.run(child(folder.toString(), out.toString(), "1000000000"), folder, Map.of());
      assertEquals(1, ended.status(), ended.output());
      assertTrue(ended.output().contains("No space left on device"), ended.output());
      assertTrue(ended.output().contains(".out.merging"), ended.output());
      assertEquals(List.of(".out.merging"), names(disk));
      // With more room the same merge goes on from what is there.
      assertEquals(
          0,
          new ProcessBuilder("mount", "-o", "remount,size=300m", disk.toString())
              .start()
              .waitFor());
      assertTrue(merge(folder, out, MergeOptions.DEFAULT).bytesReused() > 0);
      merge(folder);
      for (String name : names(out)) {
        assertEquals(-1, Files.mismatch(out.resolve(name), folder.resolve("out").resolve(name)));
      }
    } finally {
      assertEquals(0, new ProcessBuilder("umount", disk.toString()).start().waitFor());
    }
  }

  /** The models are three times what the process may use, and more than it ever holds. */
  @Test
  void inputsLargerThanMemory(@TempDir Path folder) throws Exception {
    models(folder);
    Path out = folder.resolve("small");
    ChildJvm.Ended ended =
        ChildJvm.run(
            child(folder.toString(), out.toString(), Long.toString(MEMORY)), folder, Map.of());
    assertEquals(0, ended.status(), ended.output());
    long peak = // kB; the JVM's own memory is in it
        Long.parseLong(ended.output().replaceAll("(?s).*VmHWM:\\s*(\\d+) kB.*", "$1"));
    long models = 2L * TENSORS * 2 * ELEMENTS;
    assertTrue(models > 3 * MEMORY && peak << 10 < MEMORY + (160L << 20), peak + " kB");
    merge(folder);
    for (String name : names(out)) {
      assertEquals(-1, Files.mismatch(out.resolve(name), folder.resolve("out").resolve(name)));
    }
  }

  private static void sameAsAFreshRun(Path folder) throws IOException {
    Files.move(folder.resolve("out"), folder.resolve("resumed"));
    assertEquals(0, merge(folder).bytesReused());
    assertEquals(names(folder.resolve("out")), names(folder.resolve("resumed")));
    assertEquals(TENSORS * 2L * ELEMENTS / SHARD + 1, names(folder.resolve("out")).size());
    for (String name : names(folder.resolve("out"))) {
      assertEquals(
          -1,
          Files.mismatch(
              folder.resolve("out").resolve(name), folder.resolve("resumed").resolve(name)),
          name);
    }
  }
}
