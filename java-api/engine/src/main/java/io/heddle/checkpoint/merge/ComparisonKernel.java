package io.heddle.checkpoint.merge;

import java.util.Arrays;
import java.util.List;

/** Takes the sums of a {@link Comparison}, block by block. */
final class ComparisonKernel extends Kernel {
  /** Number of sizes of change that are told apart. */
  static final int BUCKETS = 64;

  private static final int FIRST = -48; // exponent of the first bucket

  /** Sums of a block. */
  @SuppressWarnings("ArrayRecordComponent") // read only, inside the package
  record Sums(
      double[] products,
      double baseSquares,
      long elements,
      long conflicts,
      long[] unchanged,
      long[][] histogram) {}

  private final Sums[] sums;

  ComparisonKernel(long elements) {
    sums = new Sums[Math.toIntExact((elements + LENGTH - 1) / LENGTH)];
  }

  /** In the order of the blocks. */
  List<Sums> sums() {
    return Arrays.asList(sums);
  }

  @Override
  void observe(Block block) {
    int n = block.n;
    double squares = GramKernel.products(new double[][] {block.base}, n)[0];
    GramKernel.subtractBase(block);
    int count = block.source.length;
    long[] unchanged = new long[count];
    long[][] histogram = new long[count][BUCKETS];
    long conflicts = 0;
    for (int i = 0; i < n; i++) {
      boolean up = false;
      boolean down = false;
      for (int s = 0; s < count; s++) {
        double delta = block.source[s][i];
        up |= delta > 0;
        down |= delta < 0;
        if (delta == 0) {
          unchanged[s]++;
        } else {
          histogram[s][Math.clamp(Math.getExponent(delta) - FIRST, 0, BUCKETS - 1)]++;
        }
      }
      conflicts += up && down ? 1 : 0;
    }
    sums[block.index] =
        new Sums(GramKernel.products(block.source, n), squares, n, conflicts, unchanged, histogram);
  }

  @Override
  void apply(Block block) {
    throw new IllegalStateException("a comparison has no result to write");
  }
}
