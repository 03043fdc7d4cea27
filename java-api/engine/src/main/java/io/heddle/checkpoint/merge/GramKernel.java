package io.heddle.checkpoint.merge;

import io.heddle.op.OpCode;
import java.util.Arrays;
import java.util.List;
import java.util.function.Function;

/**
 * Methods whose result is a linear combination with weights that follow from the inner products of
 * the sources, or of their differences to the base: one pass for these, whatever the method
 * iterates on.
 */
final class GramKernel extends Kernel {
  /** Weights from the matrix of inner products. */
  interface Weights extends Function<double[][], double[]> {}

  private static final int SUMS = 128; // side by side, in a run and over the runs

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

  /** Inner products of rows: 00, 01, 11, 02, 12, 22 and so on; summed as op inner_products does. */
  static double[] products(double[][] rows, int n) {
    double[] out = new double[rows.length * (rows.length + 1) / 2];
    double[] sums = new double[SUMS];
    int at = 0;
    for (int j = 0; j < rows.length; j++) {
      for (int i = 0; i <= j; i++) {
        double[] a = rows[i];
        double[] b = rows[j];
        Arrays.fill(sums, 0);
        int from = 0;
        for (; from + SUMS <= n; from += SUMS) {
          for (int s = 0; s < SUMS; s++) {
            sums[s] += a[from + s] * b[from + s];
          }
        }
        for (int s = 0; from + s < n; s++) {
          sums[s] += a[from + s] * b[from + s];
        }
        out[at++] = folded(sums);
      }
    }
    return out;
  }

  // The upper half of the sums is added to the lower until one is left.
  private static double folded(double[] sums) {
    for (int half = SUMS / 2; half > 0; half /= 2) {
      for (int s = 0; s < half; s++) {
        sums[s] += sums[s + half];
      }
    }
    return sums[0];
  }

  @Override
  void passed() {
    double[][] gram = new double[count][count];
    double[] ofRuns = new double[SUMS];
    for (int j = 0, at = 0; j < count; j++) {
      for (int i = 0; i <= j; i++, at++) {
        Arrays.fill(ofRuns, 0);
        for (int run = 0; run < sums.length; run++) {
          ofRuns[run % SUMS] += sums[run][at];
        }
        gram[i][j] = folded(ofRuns);
        gram[j][i] = gram[i][j];
      }
    }
    found = weights.apply(gram);
    done = true;
  }

  @Override
  List<OpCode> ops() {
    return List.of(OpCode.INNER_PRODUCTS, OpCode.LINEAR_COMBINATION);
  }

  @Override
  void run(TensorOps ops, long first) {
    ops.linear(base, weights.apply(ops.gram(base)));
  }

  @Override
  void apply(Block block) {
    LinearKernel.combine(block, base, found);
  }
}
