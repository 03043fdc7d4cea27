package io.heddle.checkpoint.merge;

import java.util.Arrays;
import java.util.Objects;

/**
 * Finds, for rows of a tensor, the elements at given ranks in the order of magnitude (equal
 * magnitudes in the order of the elements), in time that grows with their number alone: counts of
 * the magnitudes' bits, sixteen at a time, each pass inside the bucket where the last one ended.
 * When few are left in the bucket, usually after two passes, one more takes them as they are. Else
 * the threshold is known to the last bit after four, and a last pass counts the equals before each
 * block where only some of them are on one side.
 */
final class Ranks {
  private static final int DIGITS = 4;
  private static final int BUCKETS = 1 << 16;
  private static final int LAST_BITS = 63 - 3 * 16;

  /** So many elements are taken as they are. */
  static final long FEW = 1 << 18;

  private final int blocks;
  private final long fewElements;
  private final Cut[][] cuts; // by row; only those that cut something
  private int digit;
  private boolean counting;
  private boolean gathering;
  private boolean done;

  /** One rank of one row. */
  static final class Cut {
    final long rank;
    long threshold; // bits of the magnitude, those found so far
    long below; // elements known to be less
    final long[][] counts; // by worker
    long inBucket; // elements of which no more than that is known
    final Taken[] taken; // by worker
    long takeEquals; // of the elements that equal the threshold, so many are below the rank
    long[] equalsIn = {}; // by block; then: before each block

    Cut(long rank, int workers) {
      this.rank = rank;
      this.counts = new long[workers][];
      this.taken = new Taken[workers];
    }

    long known(int digit) {
      return digit == 0 ? 0 : ~0L << shift(digit - 1);
    }
  }

  /** Magnitudes and the blocks they are from. */
  private static final class Taken {
    long[] bits = new long[1024];
    int[] blocks = new int[1024];
    int count;

    void add(long magnitude, int block) {
      if (count == bits.length) {
        bits = Arrays.copyOf(bits, 2 * count);
        blocks = Arrays.copyOf(blocks, 2 * count);
      }
      bits[count] = magnitude;
      blocks[count++] = block;
    }
  }

  /**
   * Ranks to be found.
   *
   * @param ranks by row; rank r separates the r smallest from the rest; 0 and the number of
   *     elements must not be among them
   */
  Ranks(long[][] ranks, int blocks, int workers) {
    this(ranks, blocks, workers, FEW);
  }

  /** The same with a bucket that is small from {@code fewElements} down. */
  Ranks(long[][] ranks, int blocks, int workers, long fewElements) {
    this.blocks = blocks;
    this.fewElements = fewElements;
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
      if (gathering) {
        gather(cut, values, n, block, worker);
        continue;
      }
      long[] counts = cut.counts[worker];
      if (counts == null) { // a worker's own: no other thread sees it before the pass is over
        counts = new long[BUCKETS];
        cut.counts[worker] = counts;
      }
      int shift = shift(digit);
      int mask = digit == DIGITS - 1 ? (1 << LAST_BITS) - 1 : BUCKETS - 1;
      long known = cut.known(digit);
      for (int i = 0; i < n; i++) {
        long bits = bits(values[i]);
        if ((bits & known) == cut.threshold) {
          counts[(int) (bits >>> shift) & mask]++;
        }
      }
    }
  }

  private void gather(Cut cut, double[] values, int n, int block, int worker) {
    Taken taken = cut.taken[worker];
    if (taken == null) {
      taken = new Taken();
      cut.taken[worker] = taken;
    }
    long known = cut.known(digit);
    for (int i = 0; i < n; i++) {
      long bits = bits(values[i]);
      if ((bits & known) == cut.threshold) {
        taken.add(bits, block);
      }
    }
  }

  /** The threshold among the elements that were taken, and where its equals are. */
  private void settle(Cut cut) {
    long[] sorted =
        Arrays.stream(cut.taken)
            .filter(Objects::nonNull)
            .flatMapToLong(t -> Arrays.stream(t.bits, 0, t.count))
            .sorted()
            .toArray();
    cut.threshold = sorted[Math.toIntExact(cut.rank - cut.below)];
    int less = Arrays.binarySearch(sorted, cut.threshold);
    while (less > 0 && sorted[less - 1] == cut.threshold) {
      less--;
    }
    cut.below += less;
    cut.takeEquals = cut.rank - cut.below;
    cut.equalsIn = new long[blocks];
    for (Taken taken : cut.taken) {
      for (int i = 0; taken != null && i < taken.count; i++) {
        cut.equalsIn[taken.blocks[i]] += taken.bits[i] == cut.threshold ? 1 : 0;
      }
    }
    Arrays.fill(cut.taken, null);
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
    boolean few = digit > 0;
    for (Cut[] row : cuts) {
      for (Cut cut : row) {
        if (gathering) {
          settle(cut);
        }
        if (gathering || counting) {
          prefix(cut);
        } else {
          narrow(cut);
          few &= cut.inBucket <= fewElements;
        }
      }
    }
    if (gathering || counting) {
      done = true;
      return;
    }
    gathering = few;
    if (++digit < DIGITS || gathering) {
      return;
    }
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

  private void prefix(Cut cut) {
    long before = 0;
    for (int i = 0; i < blocks; i++) {
      long here = cut.equalsIn[i];
      cut.equalsIn[i] = before;
      before += here;
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
    cut.inBucket = total[bucket];
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

    /** Makes the smaller elements of the block zero. Without branches but for equals. */
    void clearBelow(double[] values, int n) {
      for (int i = 0; equalsLeft > 0 && i < n; i++) {
        if (bits(values[i]) == threshold) {
          values[i] = 0;
          equalsLeft--;
        }
      }
      for (int i = 0; i < n; i++) {
        long raw = Double.doubleToRawLongBits(values[i]);
        long below = ((raw & Long.MAX_VALUE) - threshold) >> 63; // all ones or none
        values[i] = Double.longBitsToDouble(raw & ~below);
      }
    }

    /** Makes all but the smaller elements of the block zero. */
    void clearAbove(double[] values, int n) {
      for (int i = 0; i < n; i++) {
        if (bits(values[i]) == threshold && equalsLeft-- <= 0) {
          values[i] = 0;
        }
      }
      for (int i = 0; i < n; i++) {
        long raw = Double.doubleToRawLongBits(values[i]);
        long above = (threshold - (raw & Long.MAX_VALUE)) >> 63;
        values[i] = Double.longBitsToDouble(raw & ~above);
      }
    }

    /** Whether the next element is among the smaller ones. */
    boolean below(double value) {
      long bits = bits(value);
      return bits < threshold || (bits == threshold && equalsLeft-- > 0);
    }
  }
}
