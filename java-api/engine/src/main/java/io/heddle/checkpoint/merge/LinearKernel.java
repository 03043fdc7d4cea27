package io.heddle.checkpoint.merge;

import io.heddle.op.OpCode;
import java.util.Arrays;
import java.util.List;

/**
 * {@code out = base + sum w_i (source_i - base)}, or without a base {@code sum w_i source_i}; sums
 * in the order of the sources.
 */
final class LinearKernel extends Kernel {
  private final boolean base;
  private final double[] weights;

  LinearKernel(boolean base, double... weights) {
    this.base = base;
    this.weights = weights;
  }

  boolean hasBase() {
    return base;
  }

  double[] weights() {
    return weights.clone();
  }

  /** {@code weights} divided by their sum; by 1 when that is 0. */
  static double[] normalized(double... weights) {
    double sum = 0;
    for (double w : weights) {
      sum += w;
    }
    double[] out = weights.clone();
    for (int i = 0; i < out.length && sum != 0; i++) {
      out[i] /= sum;
    }
    return out;
  }

  @Override
  void apply(Block block) {
    combine(block, base, weights);
  }

  @Override
  List<OpCode> ops() {
    return List.of(OpCode.LINEAR_COMBINATION);
  }

  @Override
  void run(TensorOps ops, long first) {
    ops.linear(base, weights);
  }

  /** The sum, for methods that find their weights first. */
  static void combine(Block block, boolean withBase, double[] weights) {
    double[] out = block.out;
    double[] base = block.base;
    int n = block.n;
    if (withBase) {
      System.arraycopy(base, 0, out, 0, n);
      if (Arrays.stream(weights).allMatch(w -> w == 0)) {
        return; // the base bit for bit, whatever the sources hold
      }
    } else {
      Arrays.fill(out, 0, n, -0.0); // so that a lone -0 stays what it is
    }
    for (int s = 0; s < weights.length; s++) {
      double w = weights[s];
      double[] source = block.source[s];
      if (withBase) {
        for (int i = 0; i < n; i++) {
          out[i] += w * (source[i] - base[i]);
        }
      } else {
        for (int i = 0; i < n; i++) {
          out[i] += w * source[i];
        }
      }
    }
  }
}
