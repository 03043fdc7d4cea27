package io.heddle.tests;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.autograd.Tape;
import io.heddle.op.Layers;
import io.heddle.op.ProjectedLstm;
import io.heddle.op.Recurrent;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import java.util.Arrays;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * LSTMP with bounds on every backend against its formula, step by step in f64; without bounds the
 * goldens of {@link RecurrentTest} have it, gradients are {@link RecurrentGradientTest}'s.
 */
@NeedsNative
class ProjectedLstmTest {
  private static final int STEPS = 6;
  private static final int ROWS = 3;
  private static final int CELLS = 7;
  private static final int OUTPUTS = 4;
  private static final ProjectedLstm.Clips CLIPS = new ProjectedLstm.Clips(0.5f, 0.4f);

  private final double[] gates = Lab.normal(1, (long) STEPS * ROWS * 4 * CELLS);
  private final double[] weight = Lab.normal(2, 4L * CELLS * OUTPUTS);
  private final double[] projection = Lab.normal(3, (long) OUTPUTS * CELLS);

  // States before and after; y and c of all steps are written.
  private void expected(double[] y, double[] c, boolean reverse) {
    for (int row = 0; row < ROWS; row++) {
      double[] h = new double[OUTPUTS];
      double[] cell = new double[CELLS];
      for (int s = 0; s < STEPS; s++) {
        int at = (reverse ? STEPS - 1 - s : s) * ROWS + row;
        h = step(h, cell, at);
        System.arraycopy(h, 0, y, at * OUTPUTS, OUTPUTS);
        System.arraycopy(cell, 0, c, at * CELLS, CELLS);
      }
    }
  }

  private double[] step(double[] h, double[] cell, int at) {
    double[] sums = new double[4 * CELLS];
    for (int k = 0; k < sums.length; k++) {
      sums[k] = gates[at * sums.length + k];
      for (int j = 0; j < OUTPUTS; j++) {
        sums[k] += weight[k * OUTPUTS + j] * h[j];
      }
    }
    double[] out = new double[OUTPUTS];
    for (int j = 0; j < CELLS; j++) {
      double kept = sigmoid(sums[CELLS + j]) * cell[j];
      double fresh = sigmoid(sums[j]) * Math.tanh(sums[2 * CELLS + j]);
      cell[j] = Math.clamp(kept + fresh, -(double) CLIPS.cell(), CLIPS.cell());
      double inner = sigmoid(sums[3 * CELLS + j]) * Math.tanh(cell[j]);
      for (int i = 0; i < OUTPUTS; i++) {
        out[i] += projection[i * CELLS + j] * inner;
      }
    }
    return Arrays.stream(out)
        .map(x -> Math.clamp(x, -(double) CLIPS.output(), CLIPS.output()))
        .toArray();
  }

  private static double sigmoid(double x) {
    return 1 / (1 + Math.exp(-x));
  }

  private static long atBound(double[] x, double bound) {
    return Arrays.stream(x).filter(v -> Math.abs(v) > bound - 1e-6).count();
  }

  static Stream<String> backends() {
    return BackendsUnderTest.names();
  }

  @ParameterizedTest
  @MethodSource("backends")
  void stepsAreClipped(String backend) {
    for (boolean reverse : new boolean[] {false, true}) {
      double[] y = new double[STEPS * ROWS * OUTPUTS];
      double[] c = new double[STEPS * ROWS * CELLS];
      expected(y, c, reverse);
      assertTrue(atBound(y, CLIPS.output()) > 5 && atBound(c, CLIPS.cell()) > 5, "nothing clipped");
      try (Lab lab = new Lab(backend);
          Tape t = Tape.inference(lab.backend)) {
        Recurrent.Result out =
            ProjectedLstm.run(
                t,
                lab.put(DType.F32, gates, STEPS * ROWS, 4 * CELLS),
                lab.put(DType.F32, weight, 4 * CELLS, OUTPUTS),
                lab.put(DType.F32, projection, OUTPUTS, CELLS),
                null,
                null,
                ROWS,
                reverse,
                CLIPS);
        Lab.close("y", y, lab.get(copy(t, out.y())), 2e-6);
        int last = reverse ? 0 : (STEPS - 1) * ROWS;
        double[] end = Arrays.copyOfRange(y, last * OUTPUTS, (last + ROWS) * OUTPUTS);
        Lab.close("h", end, lab.get(copy(t, out.h())), 2e-6);
        end = Arrays.copyOfRange(c, last * CELLS, (last + ROWS) * CELLS);
        Lab.close("c", end, lab.get(copy(t, out.c())), 2e-6);
      }
    }
  }

  private static Tensor copy(Tape t, Tensor x) {
    return Layers.copy(t, x, v -> v);
  }
}
