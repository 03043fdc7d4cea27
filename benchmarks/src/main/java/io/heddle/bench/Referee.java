package io.heddle.bench;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Times the contestants in turns: a round gives each one stretch, the ceiling too, so that what
 * disturbs the machine disturbs all of them. The answers are checked before the clock starts.
 */
public final class Referee {
  private static final ThreadMXBean THREAD = (ThreadMXBean) ManagementFactory.getThreadMXBean();

  private static final double SLOW = 0.7; // seconds

  private final int rounds;
  private final double stretchSeconds;
  private final int threads;
  private final Machine machine;

  /**
   * A referee.
   *
   * @param rounds how often each contestant is timed
   * @param stretchSeconds how long one timing lasts at least
   * @param threads what contests were made for
   */
  public Referee(int rounds, double stretchSeconds, int threads) {
    this.rounds = rounds;
    this.stretchSeconds = stretchSeconds;
    this.threads = threads;
    this.machine = new Machine(threads);
  }

  /** One row per peer, or a single one when nobody else takes part. */
  public List<Row> judge(Contest contest, String backend) {
    contest.check();
    List<Contestant> all = contest.contestants();
    int[] repeats = new int[all.size()];
    double[][] times = new double[all.size()][rounds];
    double[] ceilings = new double[rounds];
    int[] timed = new int[all.size()];
    for (int c = 0; c < all.size(); c++) {
      repeats[c] = warmUp(all.get(c));
    }
    double allocated = allocation(all.getFirst(), repeats[0]);
    for (int round = 0; round < rounds; round++) {
      for (int c = 0; c < all.size(); c++) {
        // Who needs seconds for one run is timed twice: its time is known well enough by then.
        if (timed[c] < 2 || times[c][0] < SLOW) {
          times[c][timed[c]++] = seconds(all.get(c), repeats[c]) / repeats[c];
        }
      }
      ceilings[round] = machine.ceiling(contest.bound());
    }
    double ours = median(times[0], timed[0]);
    double rate =
        switch (contest.bound()) {
          case F32, BF16, NONE -> contest.flops() / ours * 1e-9;
          case MEMORY -> contest.bytes() / ours * 1e-9;
          case TEXT -> contest.bytes() / ours * 1e-6;
        };
    List<Row> rows = new ArrayList<>();
    for (int c = Math.min(1, all.size() - 1); c < all.size(); c++) {
      boolean alone = c == 0;
      int pairs = Math.min(timed[c], timed[0]);
      double[] ratios = new double[pairs];
      for (int round = 0; round < pairs; round++) {
        ratios[round] = times[c][round] / times[0][round];
      }
      rows.add(
          new Row(
              contest.op(),
              backend,
              contest.dtype(),
              contest.shape(),
              threads,
              ours * 1e3,
              alone ? "" : all.get(c).name(),
              median(times[c], timed[c]) * 1e3,
              median(ratios, pairs),
              rate,
              contest.bound().unit,
              median(ceilings, rounds),
              allocated,
              contest.bytes() > 0 ? contest.flops() / contest.bytes() : 0));
    }
    return rows;
  }

  /** Runs until a stretch is filled, some times over; returns how many runs fill one. */
  private int warmUp(Contestant who) {
    int repeats = 1;
    for (int i = 0; i < 40; i++) {
      double took = seconds(who, repeats);
      if (took >= SLOW || (took >= stretchSeconds && i >= 2)) {
        break;
      }
      if (took < stretchSeconds) {
        double factor = Math.min(10, 1.2 * stretchSeconds / Math.max(took, 1e-9));
        repeats = Math.max(repeats + 1, (int) (repeats * factor));
      }
    }
    return repeats;
  }

  private static double seconds(Contestant who, int repeats) {
    long start = System.nanoTime();
    who.runs().accept(repeats);
    return (System.nanoTime() - start) * 1e-9;
  }

  private static double allocation(Contestant who, int repeats) {
    long before = THREAD.getCurrentThreadAllocatedBytes();
    who.runs().accept(repeats);
    return (double) (THREAD.getCurrentThreadAllocatedBytes() - before) / repeats;
  }

  private static double median(double[] values, int count) {
    double[] sorted = Arrays.copyOf(values, count);
    Arrays.sort(sorted);
    int middle = sorted.length / 2;
    return sorted.length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  }
}
