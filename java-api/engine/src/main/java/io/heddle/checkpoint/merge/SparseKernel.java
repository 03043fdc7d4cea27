package io.heddle.checkpoint.merge;

import io.heddle.backend.reference.Philox;
import io.heddle.op.OpCode;
import io.heddle.op.Params;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.List;

/**
 * Differences to the base, thinned out one by one, then summed: {@code out = base + lambda * sum_i
 * w_i thin(source_i - base)}; with an election of signs (TIES, Yadav et al. 2023) only terms whose
 * sign is that of the sum count. {@code normalize} divides by the weights of the terms that count.
 */
final class SparseKernel extends Kernel {
  /** How differences are thinned out. */
  enum Thinning {
    /** The {@code density} largest stay (TIES). */
    LARGEST,
    /**
     * {@code density} stay: not the {@code gamma} largest, nor the smallest (Breadcrumbs, Davari
     * and Belilovsky 2023).
     */
    MIDDLE,
    /** Each stays with probability {@code density} and is divided by it (DARE, Yu et al. 2023). */
    RANDOM,
    /**
     * As RANDOM with probabilities from {@code density - epsilon} for the smallest of a row to
     * {@code density + epsilon} for its largest (DELLA, Deep et al. 2024).
     */
    RANKED
  }

  private final Task task;
  private final Thinning thinning;
  private final boolean election;
  private final double[] weights;
  private final double[] density;
  private final boolean rescale;
  private final boolean normalize;
  private final double lambda;
  private final long row;
  private final Ranks ranks;
  private final int[][] lower; // by source: which cut is the lower and which the upper bound, or -1
  private final long[][] between; // by source: the ranks that stay, from and to
  private final long[] keys;

  SparseKernel(Task task, Thinning thinning, boolean election) {
    this.task = task;
    this.thinning = thinning;
    this.election = election;
    this.weights = task.all("weight");
    this.density = task.all("density");
    this.normalize = task.is("normalize");
    this.lambda = task.get("lambda");
    boolean random = thinning == Thinning.RANDOM || thinning == Thinning.RANKED;
    this.rescale = random && task.is("rescale");
    long[] shape = task.shape();
    long first = shape.length > 1 ? Math.max(1, shape[0]) : 1;
    this.row = thinning == Thinning.RANKED ? Math.max(1, task.elements() / first) : 1;
    this.keys = new long[task.count()];
    this.lower = new int[task.count()][];
    this.between = new long[task.count()][];
    long[][] cuts = new long[task.count()][];
    for (int s = 0; s < cuts.length; s++) {
      check(s);
      cuts[s] = random ? new long[0] : cuts(s);
      keys[s] = key(task.seed(), task.name(), s);
    }
    this.ranks = new Ranks(cuts, task.blocks(blockLength()), task.workers());
  }

  private void check(int s) {
    double d = density[s];
    if (!(d >= 0 && d <= 1)) {
      throw wrong("density of source " + (s + 1) + " is " + d + "; it can be 0 to 1");
    }
    if (thinning == Thinning.RANKED && d > 0 && d < 1) {
      double e = task.of(s, "epsilon");
      if (!(e >= 0 && d - e >= 0 && d + e <= 1)) {
        throw wrong(
            "density "
                + d
                + " with epsilon "
                + e
                + ": density - epsilon and density + epsilon must"
                + " be probabilities");
      }
    }
    if (thinning == Thinning.MIDDLE && !(task.of(s, "gamma") >= 0 && task.of(s, "gamma") <= 1)) {
      throw wrong("gamma of source " + (s + 1) + " is " + task.of(s, "gamma") + "; 0 to 1");
    }
  }

  private IllegalArgumentException wrong(String why) {
    return new IllegalArgumentException("tensor " + task.name() + ": " + why);
  }

  /** The ranks between which elements stay, without those that cut nothing off. */
  private long[] cuts(int s) {
    long n = task.elements();
    long stay = (long) (density[s] * n);
    long top = thinning == Thinning.MIDDLE ? (long) (task.of(s, "gamma") * n) : 0;
    long bottom = n - stay - top;
    if (bottom < 0) { // the density comes first
      top += bottom;
      bottom = 0;
    }
    long upper = n - top;
    boolean none = bottom >= upper;
    boolean low = !none && bottom > 0;
    boolean high = !none && top > 0;
    between[s] = new long[] {none ? n : bottom, none ? n : upper};
    lower[s] = new int[] {none ? -2 : low ? 0 : -1, high ? (low ? 1 : 0) : -1};
    return low && high
        ? new long[] {bottom, upper}
        : low ? new long[] {bottom} : high ? new long[] {upper} : new long[0];
  }

  /** The random numbers' key: of the seed, the tensor's name and the source's place. */
  static long key(long seed, String name, int source) {
    try {
      byte[] text = (seed + "\n" + source + "\n" + name).getBytes(StandardCharsets.UTF_8);
      byte[] digest = MessageDigest.getInstance("SHA-256").digest(text);
      long key = 0;
      for (int i = 0; i < 8; i++) {
        key = (key << 8) | (digest[i] & 0xff);
      }
      return key;
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }

  @Override
  long blockLength() {
    return row * Math.max(1, LENGTH / Math.max(1, row)); // whole rows
  }

  @Override
  boolean wantsPass() {
    return ranks.wantsPass();
  }

  @Override
  void observe(Block block) {
    GramKernel.subtractBase(block);
    for (int s = 0; s < weights.length; s++) {
      ranks.observe(s, block.source[s], block.n, block.index, block.worker);
    }
  }

  @Override
  void passed() {
    ranks.passed();
  }

  @Override
  List<OpCode> ops() {
    return thinning == Thinning.RANKED
        ? List.of()
        : List.of(OpCode.MAGNITUDE_CUTS, OpCode.SPARSE_COMBINATION);
  }

  @Override
  void run(TensorOps ops, long first) {
    var params =
        new Params.SparseCombination(
            first, lambda, election ? 1 : 0, normalize ? 1 : 0, rescale ? 1 : 0);
    if (thinning == Thinning.RANDOM) {
      ops.sparse(params, weights, null, keys, density);
    } else {
      ops.sparse(params, weights, ops.cuts(between, task.elements()), null, null);
    }
  }

  @Override
  void apply(Block block) {
    GramKernel.subtractBase(block);
    for (int s = 0; s < weights.length; s++) {
      double[] delta = block.source[s];
      switch (thinning) {
        case LARGEST, MIDDLE -> between(s, delta, block);
        case RANDOM -> random(s, delta, block);
        case RANKED -> ranked(s, delta, block);
      }
    }
    sum(block);
  }

  private void between(int s, double[] delta, Block block) {
    int low = lower[s][0];
    int high = lower[s][1];
    if (low == -2) {
      Arrays.fill(delta, 0, block.n, 0);
    }
    // The upper end first: what it makes zero does not matter to the lower one.
    if (high >= 0) {
      ranks.walk(s, high, block.index).clearAbove(delta, block.n);
    }
    if (low >= 0) {
      ranks.walk(s, low, block.index).clearBelow(delta, block.n);
    }
  }

  private static long bound(double probability) {
    return (long) (probability * 4294967296.0);
  }

  private void random(int s, double[] delta, Block block) {
    double p = density[s];
    if (p == 1) {
      return;
    }
    long[] words = new long[block.n];
    Philox.fill(keys[s], block.first, words, block.n);
    long bound = bound(p);
    for (int i = 0; i < block.n; i++) {
      delta[i] = words[i] < bound ? (rescale ? delta[i] / p : delta[i]) : 0;
    }
  }

  private void ranked(int s, double[] delta, Block block) {
    if (density[s] == 1 || density[s] == 0) {
      random(s, delta, block);
      return;
    }
    double epsilon = task.of(s, "epsilon");
    int length = (int) row;
    long[] words = new long[length];
    for (int from = 0; from < block.n; from += length) {
      Philox.fill(keys[s], block.first + from, words, length);
      int[] rank = ranksOf(delta, from, length);
      for (int i = 0; i < length; i++) {
        double share = length == 1 ? 0.5 : rank[i] / (length - 1.0);
        double p = density[s] - epsilon + share * 2 * epsilon;
        double d = delta[from + i];
        delta[from + i] = words[i] < bound(p) ? (rescale ? d / p : d) : 0;
      }
    }
  }

  /** Places in the order of magnitude, equal ones in the order of the elements. */
  static int[] ranksOf(double[] values, int from, int n) {
    long[] sorted = new long[n];
    for (int i = 0; i < n; i++) {
      sorted[i] = Double.doubleToRawLongBits(values[from + i]) & Long.MAX_VALUE;
    }
    long[] bits = sorted.clone();
    Arrays.sort(sorted);
    int[] first = new int[n]; // at the end of a run of equals: how many have their place
    int[] out = new int[n];
    for (int i = 0; i < n; i++) {
      int low = 0;
      int high = n;
      while (low < high) {
        int middle = (low + high) >>> 1;
        if (sorted[middle] < bits[i]) {
          low = middle + 1;
        } else {
          high = middle;
        }
      }
      out[i] = low + first[low]++;
    }
    return out;
  }

  // Row by row, in plain loops, which the compiler turns into vector code.
  private void sum(Block block) {
    int n = block.n;
    double[] total = block.out;
    double[] divisor = block.spare;
    Arrays.fill(total, 0, n, 0);
    double all = 0;
    for (int s = 0; s < weights.length; s++) {
      double w = weights[s];
      double[] delta = block.source[s];
      all += w;
      for (int i = 0; i < n; i++) {
        delta[i] *= w;
        total[i] += delta[i];
      }
    }
    if (election) {
      elect(block);
    } else {
      Arrays.fill(divisor, 0, n, Math.abs(all) < 1e-8 ? 1 : all);
    }
    for (int i = 0; i < n && normalize; i++) {
      total[i] /= divisor[i];
    }
    for (int i = 0; i < n; i++) {
      total[i] = block.base[i] + lambda * total[i];
    }
  }

  /** Sums the terms whose sign is that of the total, which is there, and their weights. */
  private void elect(Block block) {
    int n = block.n;
    double[] total = block.out;
    double[] divisor = block.spare;
    double[] sum = block.sum;
    System.arraycopy(total, 0, sum, 0, n);
    Arrays.fill(total, 0, n, 0);
    Arrays.fill(divisor, 0, n, 0);
    for (int s = 0; s < weights.length; s++) {
      long weight = Double.doubleToRawLongBits(weights[s]);
      double[] terms = block.source[s];
      for (int i = 0; i < n; i++) {
        // Signs are as good as random, so branches would cost more than all else.
        long term = Double.doubleToRawLongBits(terms[i]);
        long agrees = ~((term ^ Double.doubleToRawLongBits(sum[i])) >> 63);
        long mask = agrees & (((term & Long.MAX_VALUE) + Long.MAX_VALUE) >> 63); // and is not zero
        total[i] += Double.longBitsToDouble(term & mask);
        divisor[i] += Double.longBitsToDouble(weight & mask);
      }
    }
    for (int i = 0; i < n; i++) {
      divisor[i] = divisor[i] == 0 ? 1 : divisor[i];
    }
  }
}
