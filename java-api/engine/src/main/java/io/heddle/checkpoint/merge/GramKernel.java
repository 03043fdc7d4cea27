package io.heddle.checkpoint.merge;

import io.heddle.op.OpCode;
import java.util.function.Function;

/**
 * Methods whose result is a linear combination with weights that follow from the inner products of
 * the sources, or of their differences to the base: one pass for these, whatever the method
 * iterates on.
 */
final class GramKernel extends Kernel {
  /** Weights from the matrix of inner products. */
  interface Weights extends Function<double[][], double[]> {}

  private final int count;
  private final boolean base;
  private final Weights weights;
  private final double[][] sums; // by block: the upper triangle
  private double[] found = {};
  private boolean done;

  GramKernel(Task task, boolean base, Weights weights) {
    this.count = task.count();
    this.base = base;
    this.weights = weights;
    this.sums = new double[task.blocks(LENGTH)][];
  }

  @Override
  boolean wantsPass() {
    return !done;
  }

  @Override
  void observe(Block block) {
    if (base) {
      subtractBase(block);
    }
    sums[block.index] = products(block.source, block.n);
  }

  /** Makes the differences of the sources. */
  static void subtractBase(Block block) {
    double[] base = block.base;
    for (double[] source : block.source) {
      for (int i = 0; i < block.n; i++) {
        source[i] -= base[i];
      }
    }
  }

  /** Inner products of rows: 00, 01, 11, 02, 12, 22 and so on. */
  static double[] products(double[][] rows, int n) {
    double[] out = new double[rows.length * (rows.length + 1) / 2];
    int at = 0;
    for (int j = 0; j < rows.length; j++) {
      for (int i = 0; i <= j; i++) {
        double[] a = rows[i];
        double[] b = rows[j];
        double s0 = 0;
        double s1 = 0;
        int k = 0;
        for (; k + 1 < n; k += 2) {
          s0 += a[k] * b[k];
          s1 += a[k + 1] * b[k + 1];
        }
        out[at++] = s0 + s1 + (k < n ? a[k] * b[k] : 0);
      }
    }
    return out;
  }

  @Override
  void passed() {
    double[][] gram = new double[count][count];
    for (double[] block : sums) {
      for (int j = 0, at = 0; j < count; j++) {
        for (int i = 0; i <= j; i++, at++) {
          gram[i][j] += block[at];
          gram[j][i] = gram[i][j];
        }
      }
    }
    found = weights.apply(gram);
    done = true;
  }

  @Override
  boolean run(TensorOps ops, long first) {
    if (!ops.supports(OpCode.INNER_PRODUCTS, OpCode.LINEAR_COMBINATION)) {
      return false;
    }
    ops.linear(base, weights.apply(ops.gram(base)));
    return true;
  }

  @Override
  void apply(Block block) {
    LinearKernel.combine(block, base, found);
  }
}
