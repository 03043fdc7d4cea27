package io.heddle.tests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.autograd.Randomness;
import io.heddle.autograd.Tape;
import io.heddle.nn.Parameters;
import io.heddle.op.Layers;
import io.heddle.op.Losses;
import io.heddle.op.Sequences;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Ops along time: values from their formulas, gradients by central differences, in f32. */
@ParameterizedClass
@MethodSource("io.heddle.tests.BackendsUnderTest#names")
class SequencesTest {
  @Parameter private String backend;

  private Lab lab;
  private Parameters parameters;

  @BeforeEach
  void open() {
    lab = new Lab(backend);
    parameters = new Parameters(lab.backend, DType.F32);
  }

  @AfterEach
  void close() {
    parameters.close();
    lab.close();
  }

  private Tensor parameter(String name, long seed, long... shape) {
    Tensor p = parameters.make(name, shape);
    lab.backend.transfer(lab.put(DType.F32, Lab.normal(seed, p.size()), shape), p);
    return p;
  }

  private Tape tape(boolean recording) {
    return new Tape(lab.backend, recording, Randomness.NONE);
  }

  @FunctionalInterface
  private interface Net {
    Tensor run(Tape t);
  }

  // Squared distance of the net's output from 0.5, so that the gradient reaching it is not
  // constant.
  private double loss(Net net, boolean recording) {
    try (Tape t = tape(recording)) {
      Tensor y = net.run(t);
      Tensor target = Layers.fill(t, t.tensor(DType.F32, y.shape()), 0.5f);
      Tensor loss = Losses.squaredError(t, y, target, 1);
      double sum = 0;
      for (double each : lab.get(loss)) {
        sum += each;
      }
      t.backward();
      return sum;
    }
  }

  private void check(Net net) {
    parameters.trainable();
    assertTrue(Double.isFinite(loss(net, true)));
    double step = 1e-2;
    for (Tensor p : parameters.values()) {
      double[] values = lab.get(p);
      double[] expected = new double[values.length];
      for (int i = 0; i < values.length; i++) {
        double old = values[i];
        double[] sums = new double[2];
        for (int side = 0; side < 2; side++) {
          values[i] = old + (side == 0 ? step : -step);
          lab.backend.transfer(lab.put(DType.F32, values, p.shape()), p);
          sums[side] = loss(net, false);
        }
        expected[i] = (sums[0] - sums[1]) / (2 * step);
        values[i] = old;
      }
      lab.backend.transfer(lab.put(DType.F32, values, p.shape()), p);
      Lab.close(p.name(), expected, lab.get(p.grad()), 4e-3, 1e-2);
    }
  }

  @ParameterizedTest
  @CsvSource({"7,3,1", "7,3,3", "2,4,3", "1,2,2", "5,1,5"})
  void convolution(int n, int inputs, int width) {
    Tensor x = parameter("x", 1, n, inputs);
    Tensor w = parameter("w", 2, 4, (long) width * inputs);
    try (Tape t = tape(false)) {
      double[] y = lab.get(Sequences.convolution(t, x, w, width));
      double[] xs = lab.get(x);
      double[] ws = lab.get(w);
      double[] expected = new double[n * 4];
      for (int i = 0; i < n; i++) {
        for (int f = 0; f < 4; f++) {
          for (int j = 0; j < width && i + j < n; j++) {
            for (int e = 0; e < inputs; e++) {
              expected[4 * i + f] += ws[(f * width + j) * inputs + e] * xs[(i + j) * inputs + e];
            }
          }
        }
      }
      Lab.close("y", expected, y, 1e-5);
    }
    check(t -> Sequences.convolution(t, x, w, width));
  }

  @Test
  void aConvolutionWithTheWrongWeightIsRefused() {
    Tensor x = parameter("x", 1, 3, 2);
    Tensor w = parameter("w", 2, 4, 5);
    try (Tape t = tape(false)) {
      assertThrows(IllegalArgumentException.class, () -> Sequences.convolution(t, x, w, 3));
    }
  }

  @Test
  void theLargestOfEachRowAndFeature() {
    Tensor x = parameter("x", 3, 2 * 4, 5);
    Tensor shut = lab.put(DType.F32, new double[] {0, 0, 0, 0, 0, -1e30, 0, -1e30}, 2, 4);
    double[] xs = lab.get(x);
    double[] expected = new double[10];
    for (int b = 0; b < 2; b++) {
      for (int f = 0; f < 5; f++) {
        double most = Double.NEGATIVE_INFINITY;
        for (int i = 0; i < 4; i++) {
          most = b == 1 && i % 2 == 1 ? most : Math.max(most, xs[(4 * b + i) * 5 + f]);
        }
        expected[5 * b + f] = most;
      }
    }
    try (Tape t = tape(false)) {
      Lab.close("y", expected, lab.get(Sequences.maxOverTime(t, x, 2, shut)), 1e-6);
    }
    check(t -> Sequences.maxOverTime(t, x, 2, shut));
    check(t -> Sequences.maxOverTime(t, x, 2, null));
  }

  @Test
  void equalLargestShareTheGradient() {
    Tensor x = parameters.make("x", 3, 1);
    lab.backend.transfer(lab.put(DType.F32, new double[] {2, 2, 1}, 3, 1), x);
    parameters.trainable();
    assertEquals(2.25, loss(t -> Sequences.maxOverTime(t, x, 1, null), true), 1e-6);
    assertArrayEquals(new double[] {1.5, 1.5, 0}, lab.get(x.grad()), 1e-6);
  }

  @Test
  void weightsSumsAndJoins() {
    Tensor x = parameter("x", 4, 6, 3);
    Tensor z = parameter("z", 5, 2, 2);
    Tensor weights = lab.put(DType.F32, new double[] {0.5, 0.5, 0, 1, 0, 2}, 6);
    Net net =
        t ->
            Sequences.joined(
                t, List.of(Sequences.sumOverTime(t, Sequences.weighted(t, x, weights), 2), z));
    double[] xs = lab.get(x);
    double[] zs = lab.get(z);
    try (Tape t = tape(false)) {
      double[] y = lab.get(net.run(t));
      for (int f = 0; f < 3; f++) {
        assertEquals(0.5 * xs[f] + 0.5 * xs[3 + f], y[f], 1e-6);
        assertEquals(xs[9 + f] + 2 * xs[15 + f], y[5 + f], 1e-6);
      }
      assertEquals(zs[0], y[3], 0);
      assertEquals(zs[3], y[9], 0);
    }
    check(net);
  }

  @ParameterizedTest
  @CsvSource({"false", "true"})
  void penalties(boolean temporal) {
    Tensor h = parameter("h", 6, 2 * 3, 2);
    double[] hs = lab.get(h);
    double sum = 0;
    for (int i = 0; i < hs.length; i++) {
      boolean last = i / 2 % 3 == 2;
      sum += !temporal ? hs[i] * hs[i] / 12 : last ? 0 : Math.pow(hs[i + 2] - hs[i], 2) / 8;
    }
    parameters.trainable();
    try (Tape t = tape(true)) {
      Tensor loss =
          temporal
              ? Sequences.temporalPenalty(t, h, 2, 3, 0.5f)
              : Sequences.activationPenalty(t, h, 3, 0.5f);
      assertEquals(3 * sum, lab.get(loss)[0], 1e-5);
      t.backward();
    }
    double[] expected = new double[12];
    for (int i = 0; i < 12; i++) {
      double next = i / 2 % 3 == 2 ? 0 : hs[i] - hs[(i + 2) % 12];
      double before = i / 2 % 3 == 0 ? 0 : hs[i] - hs[(i + 10) % 12];
      expected[i] = 3 * 0.5 * (temporal ? 2 * (next + before) / 8 : 2 * hs[i] / 12);
    }
    Lab.close("dh", expected, lab.get(h.grad()), 1e-5);
  }
}
