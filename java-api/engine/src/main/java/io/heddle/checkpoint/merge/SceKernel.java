package io.heddle.checkpoint.merge;

import java.util.Arrays;

/**
 * SCE (Wan et al. 2024): select the {@code select_topk} elements whose differences to the base vary
 * most between the sources; calculate weights of the sources, the mean squares of what is selected;
 * erase terms whose sign is not that of the elements' sum.
 */
final class SceKernel extends Kernel {
  private final int count;
  private final double share;
  private final Task task;
  private final long[] varying; // by block
  private final double[][] squares; // by block, by source
  private Ranks ranks;
  private int step; // 0 counts what varies, 1 ranks, 2 sums squares, 3 is done
  private boolean none;
  private double[] weights = {};

  SceKernel(Task task) {
    this.task = task;
    this.count = task.count();
    this.share = task.get("select_topk");
    if (!(share >= 0 && share <= 1)) {
      throw new IllegalArgumentException(
          "tensor " + task.name() + ": select_topk is " + share + "; it can be 0 to 1");
    }
    int blocks = task.blocks(LENGTH);
    this.varying = new long[blocks];
    this.squares = new double[blocks][];
    this.ranks = new Ranks(new long[][] {{}}, blocks, task.workers());
    this.step = share < 1 ? 0 : 2;
  }

  @Override
  boolean wantsPass() {
    return step < 3;
  }

  @Override
  void observe(Block block) {
    GramKernel.subtractBase(block);
    int n = block.n;
    if (step == 2) {
      select(block);
      double[] sums = new double[count];
      for (int s = 0; s < count; s++) {
        for (int i = 0; i < n; i++) {
          sums[s] += block.source[s][i] * block.source[s][i];
        }
      }
      squares[block.index] = sums;
      return;
    }
    double[] variance = variance(block);
    if (step == 0) {
      for (int i = 0; i < n; i++) {
        varying[block.index] += variance[i] == 0 ? 0 : 1;
      }
    } else {
      ranks.observe(0, variance, n, block.index, block.worker);
    }
  }

  private double[] variance(Block block) {
    double[] out = block.out;
    for (int i = 0; i < block.n; i++) {
      double mean = 0;
      for (int s = 0; s < count; s++) {
        mean += block.source[s][i];
      }
      mean /= count;
      double sum = 0;
      for (int s = 0; s < count; s++) {
        double d = block.source[s][i] - mean;
        sum += d * d;
      }
      out[i] = sum / count;
    }
    return out;
  }

  private void select(Block block) {
    if (share == 1) {
      return;
    }
    double[] variance = variance(block);
    Ranks.Walk walk = none ? null : ranks.walk(0, 0, block.index);
    for (int i = 0; i < block.n; i++) {
      if (walk == null || walk.below(variance[i])) {
        for (int s = 0; s < count; s++) {
          block.source[s][i] = 0;
        }
      }
    }
  }

  @Override
  void passed() {
    if (step == 0) {
      long stay = (long) (share * Arrays.stream(varying).sum());
      none = stay == 0;
      long[] cut = none ? new long[0] : new long[] {task.elements() - stay};
      ranks = new Ranks(new long[][] {cut}, varying.length, task.workers());
      step = none ? 2 : 1;
    } else if (step == 1) {
      ranks.passed();
      step = ranks.wantsPass() ? 1 : 2;
    } else {
      weigh();
      step = 3;
    }
  }

  private void weigh() {
    weights = new double[count];
    for (double[] block : squares) {
      for (int s = 0; s < count; s++) {
        weights[s] += block[s] / task.elements();
      }
    }
    if (Arrays.stream(weights).sum() < 1e-6) {
      Arrays.fill(weights, 1);
    }
    weights = LinearKernel.normalized(weights);
  }

  @Override
  void apply(Block block) {
    GramKernel.subtractBase(block);
    select(block);
    for (int i = 0; i < block.n; i++) {
      double total = 0;
      for (int s = 0; s < count; s++) {
        total += block.source[s][i];
      }
      double sign = total >= 0 ? 1 : -1;
      double sum = 0;
      double divisor = 0;
      for (int s = 0; s < count; s++) {
        double delta = block.source[s][i];
        if (delta * sign > 0) {
          sum += weights[s] * delta;
          divisor += weights[s];
        }
      }
      block.out[i] = block.base[i] + sum / Math.max(divisor, 1e-6);
    }
  }
}
