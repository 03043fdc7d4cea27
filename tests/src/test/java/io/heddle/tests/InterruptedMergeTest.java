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
import java.io.OutputStream;
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

  // Slow in small, so that there is a middle to be killed in; quick where there is much to do.
  private static final Method METHOD = TENSORS == 96 ? Method.TIES : Method.DEM;

  private static MergeResult merge(Path folder) throws IOException {
    return merge(METHOD, folder, folder.resolve("out"), MergeOptions.DEFAULT);
  }

  private static MergeResult merge(Method method, Path folder, Path out, MergeOptions options)
      throws IOException {
    try (Checkpoint base = Checkpoint.open(folder.resolve("base"));
        Checkpoint a = Checkpoint.open(folder.resolve("a"))) {
      Merge merge = Merge.of(method, base);
      if (method == Method.TIES) {
        merge.set("density", 0.3);
      }
      return merge.add(a, 0.5).options(options.shardSize(SHARD).threads(1)).writeTo(out);
    }
  }

  private static void models(Path folder) throws IOException {
    save(folder.resolve("base"), 1);
    save(folder.resolve("a"), 2);
  }

  /** The process that is killed: FOLDER, and METHOD, OUT and the bytes of memory it may use. */
  public static void main(String[] arguments) throws IOException {
    Path folder = Path.of(arguments[0]);
    if (arguments.length == 1) {
      merge(folder);
      return;
    }
    MergeOptions options = MergeOptions.DEFAULT.maxMemory(Long.parseLong(arguments[3]));
    merge(Method.of(arguments[1]), folder, Path.of(arguments[2]), options);
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

  /** A disk of its own, too small at first and then filled by others, where we may make one. */
  @Test
  void aFullDisk(@TempDir Path folder) throws Exception {
    assumeTrue(TENSORS == 96, "small models are enough");
    Path disk = Files.createDirectory(folder.resolve("disk"));
    assumeTrue(mount(folder, "mount", "-t", "tmpfs", "-o", "size=90m", "none", disk.toString()));
    try {
      models(folder);
      Path out = disk.resolve("out");
      List<String> command = child(folder.toString(), METHOD.id(), out.toString(), "1000000000");
      ChildJvm.Ended refused = ChildJvm.run(command, folder, Map.of());
      assertEquals(1, refused.status(), refused.output());
      assertTrue(refused.output().contains("more bytes of disk, and"), refused.output());
      assertFalse(Files.exists(out));

      assertTrue(mount(folder, "mount", "-o", "remount,size=300m", disk.toString()));
      Path log = folder.resolve("log");
      Process process =
          new ProcessBuilder(command)
              .redirectErrorStream(true)
              .redirectOutput(log.toFile())
              .start();
      Path journal = disk.resolve(".out.merging/journal");
      while (process.isAlive()
          && (!Files.exists(journal) || Files.readString(journal).lines().count() < 10)) {
        Thread.sleep(5);
      }
      Path others = disk.resolve("others");
      fill(others);
      assertEquals(1, process.waitFor(), Files.readString(log));
      assertTrue(Files.readString(log).contains("No space left on device"), Files.readString(log));
      assertFalse(Files.exists(out));

      Files.delete(others);
      MergeResult result = merge(METHOD, folder, out, MergeOptions.DEFAULT);
      assertTrue(result.bytesReused() >= 8L * 2 * ELEMENTS, result.toString());
      merge(folder);
      same(out, folder.resolve("out"));
    } finally {
      assertTrue(mount(folder, "umount", disk.toString()));
    }
  }

  /** Whether a command for the system succeeds, which may be root's alone. */
  private static boolean mount(Path folder, String... command) throws Exception {
    return new ProcessBuilder(command)
            .redirectErrorStream(true)
            .redirectOutput(folder.resolve("mount.log").toFile())
            .start()
            .waitFor()
        == 0;
  }

  private static void fill(Path file) throws IOException {
    byte[] zeros = new byte[1 << 20];
    try (OutputStream out = Files.newOutputStream(file)) {
      for (int i = 0; i < 1000; i++) {
        out.write(zeros);
      }
    } catch (IOException e) {
      assertTrue(String.valueOf(e.getMessage()).contains("No space left"), e.toString());
    }
  }

  /** The models are six times what the process may use, and more than it ever holds. */
  @Test
  void inputsLargerThanMemory(@TempDir Path folder) throws Exception {
    models(folder);
    Path out = folder.resolve("small");
    String memory = Long.toString(MEMORY);
    ChildJvm.Ended ended =
        ChildJvm.run(
            child(folder.toString(), Method.DEM.id(), out.toString(), memory),
            folder,
            Map.of(),
            TENSORS == 96 ? 1 : 60);
    assertEquals(0, ended.status(), ended.output());
    long peak = // kB; the JVM's own memory is in it
        Long.parseLong(ended.output().replaceAll("(?s).*VmHWM:\\s*(\\d+) kB.*", "$1"));
    long models = 2L * TENSORS * 2 * ELEMENTS;
    assertTrue(models >= 6 * MEMORY && peak << 10 < MEMORY + (160L << 20), peak + " kB");
    merge(Method.DEM, folder, folder.resolve("out"), MergeOptions.DEFAULT);
    same(out, folder.resolve("out"));
  }

  private static void same(Path one, Path other) throws IOException {
    assertEquals(names(one), names(other));
    for (String name : names(one)) {
      assertEquals(-1, Files.mismatch(one.resolve(name), other.resolve(name)), name);
    }
  }

  private static void sameAsAFreshRun(Path folder) throws IOException {
    Files.move(folder.resolve("out"), folder.resolve("resumed"));
    assertEquals(0, merge(folder).bytesReused());
    assertEquals(TENSORS * 2L * ELEMENTS / SHARD + 1, names(folder.resolve("out")).size());
    same(folder.resolve("out"), folder.resolve("resumed"));
  }
}
