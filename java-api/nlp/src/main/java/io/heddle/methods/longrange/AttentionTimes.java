package io.heddle.methods.longrange;

import io.heddle.autograd.Randomness;
import io.heddle.autograd.Tape;
import io.heddle.backend.Backend;
import io.heddle.models.Schedule;
import io.heddle.op.Attention;
import io.heddle.op.Layers;
import io.heddle.op.pattern.BlockLayout;
import io.heddle.tensor.DType;
import io.heddle.tensor.Scope;
import io.heddle.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;

/** What the attention of a layer costs on the clock, forward and backward, beside its pairs. */
final class AttentionTimes {
  /** Full layers of the mixture that is held against its count: one in so many. */
  static final int SHARE = 4;

  private static final int WARM = 2;
  private static final int TIMED = 7;

  private AttentionTimes() {}

  /**
   * One measurement.
   *
   * @param pattern of the layer
   * @param length tokens, n
   * @param pairs as a share of full attention's
   * @param full seconds of a full layer
   * @param seconds of a layer of this pattern
   */
  record Time(String pattern, long length, double pairs, double full, double seconds) {
    /** Predicted cost of a model with one layer in {@link #SHARE} full, the rest this pattern. */
    double predicted() {
      return (1 + (SHARE - 1) * pairs) / SHARE;
    }

    /** Measured cost of that model. */
    double measured() {
      return (1 + (SHARE - 1) * seconds / full) / SHARE;
    }
  }

  /**
   * Measures blocks and windows of an eighth of {@code length}, in turns with full attention.
   *
   * @param batch rows
   * @param heads of 64 features
   */
  static List<Time> measure(Backend backend, DType dtype, int batch, int heads, int length) {
    List<Time> out = new ArrayList<>();
    Attention.Spec spec = new Attention.Spec(heads, heads, 64, 0.125f, 0);
    try (Scope scope = new Scope(backend.memory())) {
      Tensor qkv = scope.tensor(dtype, (long) batch * length, spec.packed());
      SplittableRandom random = new SplittableRandom(1);
      float[] values = new float[Math.toIntExact(qkv.size())];
      for (int i = 0; i < values.length; i++) {
        values[i] = (float) (2 * random.nextDouble() - 1);
      }
      qkv.copyFrom(values).requiresGrad(true);
      String[] patterns = {"full", "block:" + length / 8, "window:" + length / 8};
      double[][] seconds = new double[patterns.length][TIMED];
      BlockLayout.Tensors[] layouts = new BlockLayout.Tensors[patterns.length];
      for (int p = 0; p < patterns.length; p++) {
        layouts[p] =
            BlockLayout.of(Schedule.pattern(patterns[p]), heads, length, length).tensors(scope);
      }
      for (int i = -WARM; i < TIMED; i++) {
        for (int p = 0; p < patterns.length; p++) {
          double took = once(backend, qkv, batch, spec, layouts[p]);
          seconds[p][Math.max(i, 0)] = took;
        }
      }
      double full = median(seconds[0]);
      for (int p = 1; p < patterns.length; p++) {
        double pairs =
            (double) Pairs.of(Schedule.pattern(patterns[p]), length)
                / Pairs.of(Schedule.pattern("full"), length);
        out.add(new Time(patterns[p], length, pairs, full, median(seconds[p])));
      }
    }
    return out;
  }

  private static double once(
      Backend backend, Tensor qkv, int batch, Attention.Spec spec, BlockLayout.Tensors layout) {
    try (Tape t = new Tape(backend, true, Randomness.NONE)) {
      backend.synchronize();
      long start = System.nanoTime();
      Tensor out = Attention.packed(t, qkv, batch, spec, null, layout);
      out.grad(Layers.fill(t, t.tensor(out.dtype(), out.shape()), 1));
      t.backward();
      backend.synchronize();
      double seconds = (System.nanoTime() - start) * 1e-9;
      qkv.grad(null);
      return seconds;
    }
  }

  private static double median(double[] values) {
    double[] sorted = values.clone();
    Arrays.sort(sorted);
    return sorted[sorted.length / 2];
  }
}
