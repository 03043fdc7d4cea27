package io.heddle.bench;

import io.heddle.backend.Backend;
import io.heddle.backend.BackendOptions;
import io.heddle.backend.Backends;
import io.heddle.checkpoint.Checkpoint;
import io.heddle.checkpoint.MemoryTensors;
import io.heddle.checkpoint.StorageType;
import io.heddle.checkpoint.merge.Merge;
import io.heddle.checkpoint.merge.MergeOptions;
import io.heddle.checkpoint.merge.Method;
import io.heddle.tensor.DType;
import io.heddle.train.RunDirectory;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.SplittableRandom;

/**
 * A Distribution Edited Model from files to files, all in the page cache: a base and two sources in
 * four shards each. Files lie in {@code heddle.bench.folder}, by default {@code /dev/shm}, where
 * making them durable costs nothing; {@code heddle.bench.mib} is the size of a model.
 */
final class MergeFilesContest extends Contest {
  private static final int SOURCES = 2;
  private static final int SHARDS = 4;
  private static final int TENSORS = 32;
  private static final String CHECKED = "model.layers.3.w";
  private static final long MIB = Long.getLong("heddle.bench.mib", 512);

  private final Path folder;
  private final Backend backend;
  private final DType type;
  private final int threads;
  private final List<Checkpoint> models = new ArrayList<>();

  MergeFilesContest(String backendName, DType type, int threads) {
    this.backend = own(Backends.open(backendName, new BackendOptions(0, 1)));
    this.type = type;
    this.threads = threads;
    try {
      Path shared = Path.of("/dev/shm");
      String fallback = Files.isWritable(shared) ? shared.toString() : "";
      String where = System.getProperty("heddle.bench.folder", fallback);
      this.folder =
          where.isEmpty()
              ? Files.createTempDirectory("heddle-merge")
              : Files.createTempDirectory(Path.of(where), "heddle-merge");
      own(() -> RunDirectory.delete(folder));
      own(atInterruption(folder));
      for (int i = 0; i <= SOURCES; i++) {
        save(folder.resolve("model-" + i), i);
        models.add(own(Checkpoint.open(folder.resolve("model-" + i))));
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    enter(Contestant.of(Contestant.OURS, this::merge, this::answer));
  }

  // Two gigabytes of memory must not stay behind when the process is told to end.
  private static AutoCloseable atInterruption(Path folder) {
    Thread hook =
        new Thread(
            () -> {
              try {
                RunDirectory.delete(folder);
              } catch (IOException e) {
                System.err.println(folder + " could not be deleted: " + e.getMessage());
              }
            });
    Runtime.getRuntime().addShutdownHook(hook);
    return () -> Runtime.getRuntime().removeShutdownHook(hook);
  }

  private StorageType storage() {
    return type == DType.BF16 ? StorageType.BF16 : StorageType.F32;
  }

  private void save(Path to, int seed) throws IOException {
    long elements = (MIB << 20) / TENSORS / type.bytes();
    try (Arena arena = Arena.ofShared()) {
      // Each tensor a window of the same numbers: making gigabytes of random ones takes longer.
      MemorySegment numbers = arena.allocate((elements + 64L * TENSORS) * type.bytes(), 64);
      SplittableRandom random = new SplittableRandom(seed);
      for (long at = 0; at < elements + 64L * TENSORS; at++) {
        int bits = Float.floatToRawIntBits((float) (2 * random.nextDouble() - 1));
        if (type == DType.BF16) {
          numbers.setAtIndex(ValueLayout.JAVA_SHORT, at, (short) (bits >>> 16));
        } else {
          numbers.setAtIndex(ValueLayout.JAVA_INT, at, bits);
        }
      }
      MemoryTensors tensors = new MemoryTensors();
      for (int i = 0; i < TENSORS; i++) {
        long from = 64L * i * type.bytes();
        MemorySegment part = numbers.asSlice(from, elements * type.bytes());
        tensors.add("model.layers.%d.w".formatted(i), storage(), part, elements);
      }
      try (Checkpoint model = Checkpoint.of("model", tensors)) {
        Merge.of(Method.PASSTHROUGH, null)
            .add(model)
            .options(MergeOptions.DEFAULT.shardSize((MIB << 20) / SHARDS).hash(false))
            .writeTo(to);
      }
    }
  }

  private static double weight(int source) {
    return 0.2 + 0.1 * source;
  }

  /** Against the formula in double precision, for one tensor. */
  @Override
  public void check() {
    merge();
    try {
      double[][] in = new double[SOURCES + 1][];
      for (int i = 0; i <= SOURCES; i++) {
        in[i] = models.get(i).tensor(CHECKED).toDoubles();
      }
      double[] out = answer();
      double half = type == DType.BF16 ? 0x1p-8 : 0x1p-23;
      for (int e = 0; e < out.length; e++) {
        double sum = in[0][e];
        for (int i = 1; i <= SOURCES; i++) {
          sum += weight(i) * (in[i][e] - in[0][e]);
        }
        if (!(Math.abs(out[e] - sum) <= half * Math.abs(sum) + 1e-30)) {
          throw new IllegalStateException(
              "%s element %d is %s, expected %s".formatted(CHECKED, e, out[e], sum));
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private void merge() {
    try {
      RunDirectory.delete(folder.resolve("out"));
      Merge merge = Merge.dem(models.getFirst());
      for (int i = 1; i <= SOURCES; i++) {
        merge.add(models.get(i), weight(i));
      }
      merge
          .options(
              MergeOptions.DEFAULT
                  .shardSize((MIB << 20) / SHARDS)
                  .threads(threads)
                  .hash(false)
                  .backend(backend))
          .writeTo(folder.resolve("out"));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private double[] answer() {
    try (Checkpoint out = Checkpoint.open(folder.resolve("out"))) {
      return out.tensor(CHECKED).toDoubles();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Override
  public String op() {
    return "merge_files";
  }

  @Override
  public String dtype() {
    return type.name().toLowerCase(Locale.ROOT);
  }

  @Override
  public String shape() {
    return "%d MiB, %d sources, %d shards".formatted(MIB, SOURCES, SHARDS);
  }

  @Override
  public double bytes() {
    return (SOURCES + 2.0) * (MIB << 20);
  }

  @Override
  public Bound bound() {
    return Bound.MEMORY;
  }
}
