package io.heddle.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.autograd.Randomness;
import io.heddle.autograd.Tape;
import io.heddle.nn.AttentionCell;
import io.heddle.nn.AttentionCell.Kind;
import io.heddle.nn.Parameters;
import io.heddle.op.Layers;
import io.heddle.op.Scores;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Attention cells on every backend against their formulas, written out here in f64 query by query,
 * and their gradients against central differences of the reference.
 */
@NeedsNative
class AttentionCellTest {
  private static final int B = 2;
  private static final int T = 3;
  private static final int S = 5;
  private static final int V = 3;
  private static final int UNITS = 6;

  /** Keys of the rows of the batch; the second one has none. */
  private static final int[] LENGTHS = {3, 0};

  private static AttentionCell.Config config(Kind kind, float dropout) {
    int key =
        switch (kind) {
          case DOT, SCALED_DOT, COSINE -> 4;
          default -> 7;
        };
    return new AttentionCell.Config(
        kind, 4, key, V, UNITS, kind == Kind.MULTI_HEAD ? 2 : 1, dropout);
  }

  /** A cell, its operands and what reaches them. */
  private static final class Case implements AutoCloseable {
    final Lab lab;
    final AttentionCell.Config config;
    final Parameters parameters;
    final AttentionCell cell;
    final DType dtype;
    final Map<String, double[]> in = new LinkedHashMap<>();
    final Map<String, double[]> gradients = new LinkedHashMap<>();

    Case(Lab lab, Kind kind, DType dtype) {
      this.lab = lab;
      this.dtype = dtype;
      this.config = config(kind, 0);
      this.parameters = new Parameters(lab.backend, dtype);
      AttentionCell.create(config, parameters, "a.", 3);
      for (Tensor p : parameters.values()) {
        p.copyFrom(Lab.normal(p.size() + 11, p.size()));
      }
      this.cell = new AttentionCell(config, parameters, "a.");
      in.put("query", Lab.normal(1, (long) B * T * config.query()));
      in.put("key", Lab.normal(2, (long) B * S * config.key()));
      in.put("value", Lab.normal(3, (long) B * S * V));
    }

    double[] weight(String name) {
      return lab.get(parameters.get("a." + name));
    }

    private Tensor operand(Tape t, String name, long rows) {
      double[] values = in.get(name);
      Tensor x = t.tensor(dtype, rows, values.length / rows);
      lab.backend.transfer(lab.put(dtype, values, x.shape()), x);
      t.record(() -> gradients.put(name, lab.get(x.grad())), x);
      return x;
    }

    /** Outputs; gradients of their sum weighed by fixed numbers are noted. */
    double[] run(boolean masked) {
      parameters.trainable();
      parameters.zeroGradients();
      try (Tape t = new Tape(lab.backend, true, new Randomness(3, 1))) {
        Tensor q = operand(t, "query", B * T);
        Tensor k = operand(t, "key", B * S);
        Tensor v = operand(t, "value", B * S);
        Tensor mask = masked ? Scores.mask(t, dtype, LENGTHS, S) : null;
        Tensor y = cell.read(t, q, k, v, B, mask);
        double[] out = lab.get(Layers.copy(t, y, x -> x));
        Tensor dy = t.tensor(dtype, y.shape());
        lab.backend.transfer(lab.put(dtype, Lab.normal(9, dy.size()), dy.shape()), dy);
        t.give(y, dy);
        t.backward();
        return out;
      }
    }

    double value(boolean masked) {
      double[] y = run(masked);
      double[] by = Lab.normal(9, y.length);
      return IntStream.range(0, y.length).mapToDouble(i -> y[i] * by[i]).sum();
    }

    @Override
    public void close() {
      parameters.close();
    }
  }

  // ---- the formulas ----

  private static double[] row(double[] x, int at, int features) {
    return Arrays.copyOfRange(x, at * features, (at + 1) * features);
  }

  private static double[] times(double[] w, double[] x) {
    double[] y = new double[w.length / x.length];
    for (int i = 0; i < w.length; i++) {
      y[i / x.length] += w[i] * x[i % x.length];
    }
    return y;
  }

  private static double dot(double[] a, double[] b) {
    return IntStream.range(0, a.length).mapToDouble(i -> a[i] * b[i]).sum();
  }

  private static double additive(Case c, double[] q, double[] k) {
    double[] a = times(c.weight("query.weight"), q);
    double[] b = times(c.weight("key.weight"), k);
    double[] bias = c.weight("query.bias");
    double[] v = c.weight("score.weight");
    double sum = 0;
    for (int i = 0; i < UNITS; i++) {
      sum += v[i] * Math.tanh(a[i] + b[i] + bias[i]);
    }
    return c.config.kind() == Kind.MLP
        ? sum
        : sum * c.weight("score.length")[0] / Math.sqrt(dot(v, v));
  }

  private static double score(Case c, double[] q, double[] k, int head) {
    return switch (c.config.kind()) {
      case DOT -> dot(q, k);
      case SCALED_DOT -> dot(q, k) / 2;
      case GENERAL -> dot(times(c.weight("query.weight"), q), k);
      case SCALED_GENERAL -> dot(times(c.weight("query.weight"), q), k) / Math.sqrt(7);
      case COSINE -> dot(q, k) / Math.sqrt(dot(q, q) * dot(k, k));
      case MLP, NORMED_MLP -> additive(c, q, k);
      case MULTI_HEAD ->
          dot(
                  row(times(c.weight("query.weight"), q), head, 3),
                  row(times(c.weight("key.weight"), k), head, 3))
              / Math.sqrt(3);
    };
  }

  private static double[] expected(Case c, boolean masked) {
    int heads = c.config.heads();
    int width = heads == 1 ? V : UNITS / heads;
    double[] out = new double[B * T * heads * width];
    for (int at = 0; at < B * T * heads; at++) {
      int head = at % heads;
      int query = at / heads;
      int b = query / T;
      double[] q = row(c.in.get("query"), query, c.config.query());
      int keys = masked ? LENGTHS[b] : S;
      double[] weights = new double[keys];
      double sum = 0;
      for (int s = 0; s < keys; s++) {
        double[] k = row(c.in.get("key"), b * S + s, c.config.key());
        weights[s] = Math.exp(score(c, q, k, head));
        sum += weights[s];
      }
      for (int s = 0; s < keys; s++) {
        double[] v = row(c.in.get("value"), b * S + s, V);
        double[] read = heads == 1 ? v : row(times(c.weight("value.weight"), v), head, width);
        for (int i = 0; i < width; i++) {
          out[at * width + i] += weights[s] / sum * read[i];
        }
      }
    }
    return out;
  }

  static Stream<Arguments> cases() {
    return BackendsUnderTest.names()
        .flatMap(name -> Stream.of(Kind.values()).map(kind -> Arguments.of(name, kind)));
  }

  @ParameterizedTest
  @MethodSource("cases")
  void computesItsFormula(String backend, Kind kind) {
    try (Lab lab = new Lab(backend);
        Case c = new Case(lab, kind, DType.F32)) {
      Lab.close("all keys", expected(c, false), c.run(false), 2e-5);
      double[] masked = c.run(true);
      Lab.close("some keys", expected(c, true), masked, 2e-5);
      for (int i = masked.length / B; i < masked.length; i++) {
        assertEquals(0, masked[i], "without a key, element " + i);
      }
    }
  }

  @ParameterizedTest
  @EnumSource(Kind.class)
  void gradients(Kind kind) {
    try (Lab lab = new Lab("reference");
        Case c = new Case(lab, kind, DType.F64)) {
      for (boolean masked : new boolean[] {false, true}) {
        c.run(masked);
        Map<String, double[]> got = new LinkedHashMap<>(c.gradients);
        c.parameters.values().forEach(p -> got.put(String.valueOf(p.name()), lab.get(p.grad())));
        got.forEach((name, gradient) -> differences(c, name, gradient, masked));
      }
    }
  }

  private static void differences(Case c, String name, double[] gradient, boolean masked) {
    double[] operand = c.in.get(name);
    Tensor parameter = operand == null ? c.parameters.get(name) : null;
    double[] values = operand == null ? parameter.toDoubles() : operand;
    double[] expected = new double[values.length];
    for (int i = 0; i < values.length; i++) {
      double old = values[i];
      double[] both = new double[2];
      for (int side = 0; side < 2; side++) {
        values[i] = old + (side == 0 ? 1e-5 : -1e-5);
        if (parameter != null) {
          parameter.copyFrom(values);
        }
        both[side] = c.value(masked);
      }
      values[i] = old;
      expected[i] = (both[0] - both[1]) / 2e-5;
    }
    if (parameter != null) {
      parameter.copyFrom(values);
    }
    assertTrue(Lab.largest(expected) > 1e-3, name + " makes no difference");
    // Parameters' gradients are f32, and so is what attention_fwd keeps for the way back.
    Lab.close(name, expected, gradient, 1e-6, 1e-2);
  }

  @Test
  void droppedWeightsAreScaledOnes() {
    try (Lab lab = new Lab("reference");
        Parameters none = new Parameters(lab.backend, DType.F32);
        Tape t = new Tape(lab.backend, true, new Randomness(3, 1))) {
      AttentionCell cell = new AttentionCell(config(Kind.DOT, 0.5f), none, "");
      Tensor q = Layers.fill(t, t.tensor(DType.F32, 64, 4), 1);
      double[] w = lab.get(cell.weights(t, q, q, 1, null));
      int kept = 0;
      for (double each : w) {
        assertTrue(each == 0 || Math.abs(each - 2.0 / 64) < 1e-7, "weight " + each);
        kept += each == 0 ? 0 : 1;
      }
      assertEquals(64 * 32, kept, 150);
    }
  }

  @Test
  void refusesWhatDoesNotFit() {
    assertThrows(IllegalArgumentException.class, () -> AttentionCell.Config.of(Kind.DOT, 3, 4, 0));
    assertThrows(
        IllegalArgumentException.class,
        () -> new AttentionCell.Config(Kind.MULTI_HEAD, 4, 4, 4, 6, 4, 0));
  }
}
