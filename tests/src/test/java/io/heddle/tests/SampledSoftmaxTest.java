package io.heddle.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.heddle.autograd.Randomness;
import io.heddle.autograd.Tape;
import io.heddle.nn.Parameters;
import io.heddle.op.SampledSoftmax;
import io.heddle.op.SampledSoftmax.Drawn;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Sampled softmax against its formula in f64, central differences, and counts of many draws. */
@NeedsNative
class SampledSoftmaxTest {
  private static final int ROWS = 4;
  private static final int FEATURES = 3;
  private static final int VOCABULARY = 9;
  private static final int[] TARGETS = {2, 7, 0, 2};

  /** Class 2 is a target of two rows, which must not meet it again. */
  private static final Drawn DRAWN = new Drawn(new int[] {2, 5, 1}, c -> 1.0 / (c + 2));

  private static Parameters parameters(Lab lab, DType dtype) {
    Parameters p = new Parameters(lab.backend, dtype);
    p.normal("x", 1, 1, ROWS, FEATURES);
    p.normal("w", 1, 2, VOCABULARY, FEATURES);
    p.normal("b", 1, 3, VOCABULARY);
    return p;
  }

  private static double score(double[] x, double[] w, double[] b, int row, int c) {
    double sum = b[c] - Math.log(1.0 / (c + 2));
    for (int i = 0; i < FEATURES; i++) {
      sum += x[row * FEATURES + i] * w[c * FEATURES + i];
    }
    return sum;
  }

  private static double[] expected(Lab lab, Parameters p) {
    double[] x = lab.get(p.get("x"));
    double[] w = lab.get(p.get("w"));
    double[] b = lab.get(p.get("b"));
    double[] out = new double[ROWS];
    for (int row = 0; row < ROWS; row++) {
      double own = Math.exp(score(x, w, b, row, TARGETS[row]));
      double all = own;
      for (int c : DRAWN.classes()) {
        all += c == TARGETS[row] ? 0 : Math.exp(score(x, w, b, row, c));
      }
      out[row] = -Math.log(own / all);
    }
    return out;
  }

  // Gradients are those of the sum of the losses.
  private static double[] losses(Lab lab, Parameters p) {
    p.trainable();
    p.zeroGradients();
    try (Tape t = new Tape(lab.backend, true, new Randomness(1, 1))) {
      Tensor losses =
          SampledSoftmax.losses(t, p.get("x"), p.get("w"), p.get("b"), TARGETS, DRAWN, 1);
      double[] out = lab.get(losses);
      t.backward();
      return out;
    }
  }

  static Stream<String> backends() {
    return BackendsUnderTest.names();
  }

  @ParameterizedTest
  @MethodSource("backends")
  void computesItsFormula(String backend) {
    try (Lab lab = new Lab(backend);
        Parameters p = parameters(lab, DType.F32)) {
      Lab.close("losses", expected(lab, p), losses(lab, p), 1e-5);
      List<double[]> gradients = p.values().stream().map(each -> lab.get(each.grad())).toList();
      int number = 0;
      for (Tensor each : List.copyOf(p.values())) {
        double[] values = lab.get(each);
        double[] differences = new double[values.length];
        for (int i = 0; i < values.length; i++) {
          double old = values[i];
          values[i] = old + 1e-3;
          double above = sum(lab, p, each, values);
          values[i] = old - 1e-3;
          differences[i] = (above - sum(lab, p, each, values)) / 2e-3;
          values[i] = old;
          sum(lab, p, each, values);
        }
        Lab.close(String.valueOf(each.name()), differences, gradients.get(number++), 1e-3);
      }
    }
  }

  private static double sum(Lab lab, Parameters p, Tensor x, double[] values) {
    lab.backend.transfer(lab.put(DType.F32, values, x.shape()), x);
    return Arrays.stream(expected(lab, p)).sum();
  }

  @Test
  void drawsAsOftenAsItSays() {
    double[] times = new double[VOCABULARY];
    double[] said = new double[VOCABULARY];
    int draws = 20_000;
    for (int seed = 0; seed < draws; seed++) {
      Drawn drawn = SampledSoftmax.logUniform(VOCABULARY, 3, seed);
      assertEquals(3, Arrays.stream(drawn.classes()).distinct().count());
      for (int c : drawn.classes()) {
        times[c]++;
      }
      for (int c = 0; c < VOCABULARY; c++) {
        said[c] += drawn.expected().count(c);
      }
    }
    // The count of tries is itself drawn, which leaves the two a few percent apart.
    for (int c = 0; c < VOCABULARY; c++) {
      assertEquals(said[c] / draws, times[c] / draws, 0.06, "class " + c);
    }
    assertThrows(
        IllegalArgumentException.class, () -> SampledSoftmax.logUniform(VOCABULARY, 10, 1));
  }
}
