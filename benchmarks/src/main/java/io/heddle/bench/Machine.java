package io.heddle.bench;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The ceilings of this machine, measured by {@code native/bench/bench.cpp}: rates of multiply-adds
 * in registers and of copies in memory. They are measured in the same run as the work they bound.
 */
@SuppressWarnings("restricted") // the ceilings are native loops
public final class Machine {
  private static final long ROUNDS = 400_000; // some milliseconds
  private static final long COPY_BYTES = 128L << 20; // larger than any cache

  private static final Path LIBRARY = library();
  private static final SymbolLookup SYMBOLS = SymbolLookup.libraryLookup(LIBRARY, Arena.global());
  private static final MethodHandle FLOPS =
      handle(
          "hd_bench_flops",
          FunctionDescriptor.of(
              ValueLayout.JAVA_DOUBLE,
              ValueLayout.JAVA_INT,
              ValueLayout.JAVA_INT,
              ValueLayout.JAVA_LONG));
  private static final MethodHandle COPY =
      handle(
          "hd_bench_copy",
          FunctionDescriptor.of(
              ValueLayout.JAVA_DOUBLE,
              ValueLayout.ADDRESS,
              ValueLayout.ADDRESS,
              ValueLayout.JAVA_LONG,
              ValueLayout.JAVA_INT));

  private final int threads;
  private @Nullable MemorySegment from;
  private @Nullable MemorySegment to;

  /** The machine as {@code threads} threads use it. */
  public Machine(int threads) {
    this.threads = threads;
  }

  /** GFLOP/s or GB/s right now; 0 without a bound, or without the instruction. */
  public double ceiling(Contest.Bound bound) {
    try {
      return switch (bound) {
        case F32 -> (double) FLOPS.invokeExact(0, threads, ROUNDS);
        case BF16 -> (double) FLOPS.invokeExact(1, threads, ROUNDS / 2);
        case MEMORY -> copy();
        case TEXT, NONE -> 0;
      };
    } catch (Throwable e) {
      throw new IllegalStateException("the ceiling could not be measured", e);
    }
  }

  private double copy() throws Throwable {
    MemorySegment source = from;
    MemorySegment target = to;
    if (source == null || target == null) {
      source = Arena.ofAuto().allocate(COPY_BYTES, 64).fill((byte) 7);
      target = Arena.ofAuto().allocate(COPY_BYTES, 64).fill((byte) 1);
      from = source;
      to = target;
    }
    return (double) COPY.invokeExact(target, source, COPY_BYTES, threads);
  }

  /** The most memory that this process has held at once, 0 where the system does not say. */
  static long peakResidentBytes() {
    try (Stream<String> lines = Files.lines(Path.of("/proc/self/status"))) {
      return lines
          .filter(line -> line.startsWith("VmHWM:"))
          .mapToLong(line -> 1024 * Long.parseLong(line.replaceAll("\\D", "")))
          .findFirst()
          .orElse(0);
    } catch (IOException e) {
      return 0;
    }
  }

  /** Deletes a folder of files. */
  static void discard(Path folder) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      for (Path file : files.toList()) {
        Files.delete(file);
      }
    }
    Files.delete(folder);
  }

  /** Where libheddle_bench.so is. */
  static Path path() {
    return LIBRARY;
  }

  /** A function of libheddle_bench.so. */
  static MethodHandle handle(String name, FunctionDescriptor descriptor, Linker.Option... options) {
    return Linker.nativeLinker().downcallHandle(SYMBOLS.findOrThrow(name), descriptor, options);
  }

  private static Path library() {
    String named = System.getProperty("heddle.bench.library");
    return named != null
        ? Path.of(named)
        : inRepository(
            "native/target/cmake/libheddle_bench.so",
            "run from the repository after a build, or set -Dheddle.bench.library");
  }

  /**
   * A file of the repository, which the program or a test runs somewhere in.
   *
   * @param advice what to do where there is none
   */
  static Path inRepository(String name, String advice) {
    Path start = Path.of(System.getProperty("heddle.root", "")).toAbsolutePath();
    for (Path at = start; at != null; at = at.getParent()) {
      Path found = at.resolve(name);
      if (Files.exists(found)) {
        try {
          return found.toRealPath();
        } catch (IOException e) {
          throw new IllegalStateException(e);
        }
      }
    }
    throw new IllegalStateException("no " + name + " at or above " + start + ": " + advice);
  }
}
