package io.heddle.binding.cuda;

import io.heddle.checkpoint.WholeFile;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * Which of the library's algorithms forms each product, found by trying and kept in a file: {@code
 * -Dheddle.cuda.algorithms=FILE}. A product that the file knows gets the same algorithm in every
 * run, and so the same bits; one that it does not know is tried out, on its own operands, when it
 * is first asked for. Without a file the library's heuristic decides, which takes no time and gives
 * the same bits too. A line holds the GPU, the library's version and the product, a tab and the
 * algorithm's 64 bytes in hexadecimal digits.
 */
final class GemmAlgorithms {
  /** So many of the heuristic's proposals are tried. */
  static final int CANDIDATES = 16;

  private static final String PROPERTY = "heddle.cuda.algorithms";
  private static final int DIGITS = 128;
  private static final int ROUNDS = 3;
  private static final long ROUND_NANOS = 1_500_000;
  private static final int MOST_RUNS = 200;

  // By less than this share of its time nothing is said to be faster than the first proposal.
  private static final double NOISE = 0.02;

  private final Device device;
  private final Path file;
  private final String where;
  private final Map<String, String> kept = new TreeMap<>();

  /** What trying takes of a device. */
  interface Device {
    /** Memory of so many bytes; throws when there is none left. */
    long alloc(long bytes);

    /** Gives it back. */
    void free(long address);

    /** Waits until all that was started is done. */
    void sync();

    /** A clock, in nanoseconds. */
    default long nanos() {
      return System.nanoTime();
    }
  }

  /** One run of a product with a candidate; false when the library refuses it. */
  @FunctionalInterface
  interface Trial {
    /** Starts the product; its result goes to {@code scratch}. */
    boolean run(int candidate, long scratch);
  }

  /**
   * The algorithms of a file, which need not be there yet.
   *
   * @param where the GPU and the library's version: what the fastest depends on
   */
  GemmAlgorithms(Device device, Path file, String where) {
    this.device = device;
    this.file = file.toAbsolutePath();
    this.where = where;
    if (Files.exists(file)) {
      read();
    }
  }

  /** Those of the file that the property names; null when it names none. */
  static @Nullable GemmAlgorithms named(Device device, String gpu) {
    String file = System.getProperty(PROPERTY);
    return file == null || file.isBlank()
        ? null
        : new GemmAlgorithms(
            device, Path.of(file), gpu + ", cuBLASLt " + CudaLibraries.CUBLASLT.version());
  }

  private void read() {
    try {
      for (String line : Files.readAllLines(file)) {
        int tab = line.indexOf('\t');
        if (tab < 0 || line.length() - tab - 1 != DIGITS) {
          throw new IllegalArgumentException(
              file + " (of " + PROPERTY + ") is no file of algorithms: '" + line + "'");
        }
        kept.put(line.substring(0, tab), line.substring(tab + 1));
      }
    } catch (IOException e) {
      throw new UncheckedIOException(file + " (of " + PROPERTY + "): " + e.getMessage(), e);
    }
  }

  /**
   * Which candidate forms a product.
   *
   * @param candidates the heuristic's proposals as hexadecimal digits, best first; one at least
   * @param bytes of the result
   */
  synchronized int of(String product, List<String> candidates, long bytes, Trial trial) {
    String key = where + ", " + product;
    int known = candidates.indexOf(kept.getOrDefault(key, ""));
    if (known >= 0) {
      return known;
    }
    int best = fastest(candidates.size(), bytes, trial);
    kept.put(key, candidates.get(best));
    write();
    return best;
  }

  private int fastest(int count, long bytes, Trial trial) {
    long scratch = device.alloc(bytes);
    double[] best = new double[count];
    Arrays.fill(best, Double.POSITIVE_INFINITY);
    try {
      int[] runs = new int[count];
      for (int i = 0; i < count; i++) {
        if (trial.run(i, scratch)) { // the first run loads the kernel
          double once = nanos(i, scratch, trial, 1);
          runs[i] = (int) Math.max(1, Math.min(MOST_RUNS, ROUND_NANOS / once));
        }
      }
      // In turns, so that all see the same clocks.
      for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < count; i++) {
          if (runs[i] > 0) {
            best[i] = Math.min(best[i], nanos(i, scratch, trial, runs[i]));
          }
        }
      }
    } finally {
      device.free(scratch);
    }
    int chosen = 0;
    for (int i = 1; i < count; i++) {
      if (best[i] < (chosen == 0 ? 1 - NOISE : 1) * best[chosen]) {
        chosen = i;
      }
    }
    return chosen;
  }

  private double nanos(int candidate, long scratch, Trial trial, int runs) {
    device.sync();
    long start = device.nanos();
    for (int i = 0; i < runs; i++) {
      trial.run(candidate, scratch);
    }
    device.sync();
    return (device.nanos() - start) / (double) runs;
  }

  private void write() {
    StringBuilder text = new StringBuilder();
    kept.forEach((key, algorithm) -> text.append(key).append('\t').append(algorithm).append('\n'));
    try {
      WholeFile.write(file, out -> out.write(text.toString().getBytes(StandardCharsets.UTF_8)));
    } catch (IOException e) {
      throw new UncheckedIOException(file + " (of " + PROPERTY + "): " + e.getMessage(), e);
    }
  }
}
