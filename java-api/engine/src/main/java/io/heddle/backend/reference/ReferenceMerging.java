package io.heddle.backend.reference;

import io.heddle.op.Params;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Comparator;
import java.util.function.IntToDoubleFunction;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Checkpoint arithmetic beyond linear combinations, each step in the order and rounding that {@code
 * ops.def} gives: other backends must have the same bits.
 */
final class ReferenceMerging {
  private static final int RUN = 4096;
  private static final int SUMS = 128;
  private static final ValueLayout.OfLong I64 =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private ReferenceMerging() {}

  /** base? source* -&gt; y. */
  static void innerProducts(@Nullable Tensor[] t) {
    double[][] d = differences(t, 1, t.length - 2);
    double[] out = new double[d.length * (d.length + 1) / 2];
    int runs = (d[0].length + RUN - 1) / RUN;
    int at = 0;
    for (int j = 0; j < d.length; j++) {
      for (int i = 0; i <= j; i++, at++) {
        double[] a = d[i];
        double[] b = d[j];
        out[at] =
            sum(
                runs,
                r -> sum(Math.min(RUN, a.length - r * RUN), k -> a[r * RUN + k] * b[r * RUN + k]));
      }
    }
    ReferenceBackend.need(t, t.length - 1, "y").copyFrom(out);
  }

  /** The sum of n terms in the one order of {@code ops.def}. */
  private static double sum(int n, IntToDoubleFunction term) {
    double[] sums = new double[SUMS];
    for (int k = 0; k < n; k++) {
      sums[k % SUMS] += term.applyAsDouble(k);
    }
    for (int half = SUMS / 2; half > 0; half /= 2) {
      for (int s = 0; s < half; s++) {
        sums[s] += sums[s + half];
      }
    }
    return sums[0];
  }

  /** base? ranks source* -&gt; cuts. */
  static void magnitudeCuts(@Nullable Tensor[] t) {
    double[][] d = differences(t, 2, t.length - 3);
    double[] ranks = ReferenceBackend.need(t, 1, "ranks").toDoubles();
    int each = ranks.length / d.length;
    double[] cuts = new double[2 * ranks.length];
    for (int s = 0; s < d.length; s++) {
      double[] size = Arrays.stream(d[s]).map(Math::abs).toArray();
      int[] order =
          IntStream.range(0, size.length)
              .boxed()
              .sorted(Comparator.comparingDouble(i -> size[i])) // stable: equals by element
              .mapToInt(i -> i)
              .toArray();
      for (int c = s * each; c < (s + 1) * each; c++) {
        int rank = (int) ranks[c];
        if (rank < 0 || rank > size.length) {
          throw new IllegalArgumentException(
              "'ranks' has " + rank + " at " + c + ", outside [0, " + size.length + "]");
        }
        boolean all = rank == size.length && rank > 0;
        double threshold = rank == 0 ? 0 : all ? Double.POSITIVE_INFINITY : size[order[rank]];
        cuts[2 * c] = threshold;
        cuts[2 * c + 1] = all ? rank : threshold == 0 ? 0 : order[rank];
      }
    }
    ReferenceBackend.need(t, t.length - 1, "cuts").copyFrom(cuts);
  }

  /** base weights cuts? keys? keep? source* -&gt; y. */
  static void sparseCombination(Params.SparseCombination p, @Nullable Tensor[] t) {
    double[] base = ReferenceBackend.need(t, 0, "base").toDoubles();
    double[] weights = ReferenceBackend.need(t, 1, "weights").toDoubles();
    double[][] terms = differences(t, 5, t.length - 6);
    if (weights.length != terms.length) {
      throw new IllegalArgumentException(
          weights.length + " weights for " + terms.length + " sources");
    }
    double[] cuts = t[2] == null ? null : t[2].toDoubles();
    double[] keep = t[4] == null ? null : t[4].toDoubles();
    for (int s = 0; s < terms.length; s++) {
      long key = t[3] == null ? 0 : t[3].segment().get(I64, 8L * s);
      for (int i = 0; i < base.length; i++) {
        double d = terms[s][i];
        if (cuts != null
            && (below(cuts, 4 * s, d, p.first() + i)
                || !below(cuts, 4 * s + 2, d, p.first() + i))) {
          d = 0;
        }
        if (keep != null && keep[s] != 1) {
          d = kept(p.first() + i, key, keep[s]) ? (p.rescale() != 0 ? d / keep[s] : d) : 0;
        }
        terms[s][i] = weights[s] * d;
      }
    }
    double[] out = new double[base.length];
    for (int i = 0; i < out.length; i++) {
      out[i] = base[i] + p.lambda() * sum(p, weights, terms, i);
    }
    ReferenceBackend.need(t, t.length - 1, "y").copyFrom(out);
  }

  private static boolean below(double[] cuts, int at, double d, long element) {
    double size = Math.abs(d);
    return size < cuts[at] || (size == cuts[at] && element < cuts[at + 1]);
  }

  private static boolean kept(long element, long key, double probability) {
    long block = element >>> 2;
    long word = Philox.word((int) (element & 3), (int) block, (int) (block >>> 32), 0, 0, key);
    return word < (long) (probability * 4294967296.0);
  }

  private static double sum(Params.SparseCombination p, double[] weights, double[][] terms, int i) {
    double total = 0;
    double divisor = 0;
    for (int s = 0; s < terms.length; s++) {
      total += terms[s][i];
      divisor += weights[s];
    }
    if (Math.abs(divisor) < 1e-8) {
      divisor = 1;
    }
    if (p.elect() != 0) {
      boolean negative = isNegative(total);
      total = 0;
      divisor = 0;
      for (int s = 0; s < terms.length; s++) {
        if (terms[s][i] != 0 && isNegative(terms[s][i]) == negative) {
          total += terms[s][i];
          divisor += weights[s];
        }
      }
      if (divisor == 0) {
        divisor = 1;
      }
    }
    return p.normalize() != 0 ? total / divisor : total;
  }

  private static boolean isNegative(double x) {
    return Double.doubleToRawLongBits(x) < 0;
  }

  /** The sources from operand {@code first} on, minus the base, which is the first operand. */
  private static double[][] differences(@Nullable Tensor[] t, int first, int count) {
    double[][] out = new double[count][];
    double[] base = t[0] == null ? null : t[0].toDoubles();
    for (int s = 0; s < count; s++) {
      Tensor source = ReferenceBackend.need(t, first + s, "source");
      if (source.dtype() == DType.I32 || source.dtype() == DType.I64) {
        throw new IllegalArgumentException("source " + s + " is " + source + ", expected floats");
      }
      out[s] = source.toDoubles();
      if (base == null) {
        continue;
      }
      Values.size("source", source, base.length);
      for (int i = 0; i < base.length; i++) {
        out[s][i] -= base[i];
      }
    }
    return out;
  }
}
