package io.heddle.checkpoint.merge;

import java.util.Arrays;

/**
 * Finds, for rows of a tensor, the elements at given ranks in the order of magnitude (equal
 * magnitudes in the order of the elements), in time that grows with their number alone: counts of
 * the magnitudes' bits, sixteen at a time, each pass inside the bucket where the last one ended.
 * After at most four passes the threshold is known to the last bit; a last pass counts the equals
 * before each block where only some of them are on one side.
 */
final class Ranks {
  private static final int DIGITS = 4;
  private static final int BUCKETS = 1 << 16;
  private static final int LAST_BITS = 63 - 3 * 16;

  private final int blocks;
  private final Cut[][] cuts; // by row; only those that cut something
  private int digit;
  private boolean counting;
  private boolean done;

  /** One rank of one row. */
  static final class Cut {
    final long rank;
    long threshold; // bits of the magnitude, those found so far
    long below; // elements known to be less
    final long[][] counts; // by worker
    long takeEquals; // of the elements that equal the threshold, so many are below the rank
    long[] equalsIn = {}; // by block; then: before each block

    Cut(long rank, int workers) {
      this.rank = rank;
      this.counts = new long[workers][];
    }
  }

  /**
   * Ranks to be found.
   *
   * @param ranks by row; rank r separates the r smallest from the rest; 0 and the number of
   *     elements must not be among them
   */
  Ranks(long[][] ranks, int blocks, int workers) {
    this.blocks = blocks;
    this.cuts = new Cut[ranks.length][];
    for (int row = 0; row < ranks.length; row++) {
      cuts[row] = new Cut[ranks[row].length];
      for (int i = 0; i < cuts[row].length; i++) {
        cuts[row][i] = new Cut(ranks[row][i], workers);
      }
    }
    done = Arrays.stream(cuts).allMatch(row -> row.length == 0);
  }

  boolean wantsPass() {
    return !done;
  }

  /** Counts one row of a block. */
  void observe(int row, double[] values, int n, int block, int worker) {
    for (Cut cut : cuts[row]) {
      if (counting) {
        count(cut, values, n, block);
        continue;
      }
      long[] counts = cut.counts[worker];
      if (counts == null) { // a worker's own: no other thread sees it before the pass is over
        counts = new long[BUCKETS];
        cut.counts[worker] = counts;
      }
      int shift = shift(digit);
      int mask = digit == DIGITS - 1 ? (1 << LAST_BITS) - 1 : BUCKETS - 1;
      long known = digit == 0 ? 0 : ~0L << shift(digit - 1);
      for (int i = 0; i < n; i++) {
        long bits = bits(values[i]);
        if ((bits & known) == cut.threshold) {
          counts[(int) (bits >>> shift) & mask]++;
        }
      }
    }
  }

  private static void count(Cut cut, double[] values, int n, int block) {
    int equals = 0;
    for (int i = 0; i < n; i++) {
      equals += bits(values[i]) == cut.threshold ? 1 : 0;
    }
    cut.equalsIn[block] = equals;
  }

  private static int shift(int digit) {
    return digit == DIGITS - 1 ? 0 : 63 - 16 * (digit + 1);
  }

  private static long bits(double value) {
    return Double.doubleToRawLongBits(value) & Long.MAX_VALUE;
  }

  /** After a pass over all blocks. */
  void passed() {
    for (Cut[] row : cuts) {
      for (Cut cut : row) {
        if (counting) {
          long before = 0;
          for (int i = 0; i < blocks; i++) {
            long here = cut.equalsIn[i];
            cut.equalsIn[i] = before;
            before += here;
          }
        } else {
          narrow(cut);
        }
      }
    }
    if (counting) {
      done = true;
    } else if (++digit == DIGITS) {
      counting = true;
      for (Cut[] row : cuts) {
        for (Cut cut : row) {
          cut.takeEquals = cut.rank - cut.below;
          cut.equalsIn = new long[blocks];
        }
      }
      // Where no equal element is below its rank there is nothing to count.
      done = Arrays.stream(cuts).flatMap(Arrays::stream).allMatch(cut -> cut.takeEquals == 0);
    }
  }

  private void narrow(Cut cut) {
    long[] total = new long[BUCKETS];
    for (int w = 0; w < cut.counts.length; w++) {
      long[] counts = cut.counts[w];
      for (int i = 0; counts != null && i < BUCKETS; i++) {
        total[i] += counts[i];
      }
      cut.counts[w] = null;
    }
    int bucket = 0;
    while (cut.below + total[bucket] <= cut.rank && bucket < BUCKETS - 1) {
      cut.below += total[bucket++];
    }
    cut.threshold |= (long) bucket << shift(digit);
  }

  /** Walks one row of a block and says on which side of a cut each element is. */
  Walk walk(int row, int cut, int block) {
    Cut of = cuts[row][cut];
    return new Walk(of.threshold, of.takeEquals - of.equalsIn[block]);
  }

  /** The side of consecutive elements of a block. */
  static final class Walk {
    private final long threshold;
    private long equalsLeft;

    private Walk(long threshold, long equalsLeft) {
      this.threshold = threshold;
      this.equalsLeft = equalsLeft;
    }

    /** Whether the next element is among the smaller ones. */
    boolean below(double value) {
      long bits = bits(value);
      return bits < threshold || (bits == threshold && equalsLeft-- > 0);
    }
  }
}
