package io.heddle.tests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.autograd.Randomness;
import io.heddle.autograd.Tape;
import io.heddle.nn.Parameters;
import io.heddle.nn.RecurrentStack;
import io.heddle.nn.RecurrentStack.Kind;
import io.heddle.op.Layers;
import io.heddle.op.Recurrent;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Recurrent layers of both directions, gradients coming in through outputs and last states and
 * going out to the first states: the reference against central differences in f64, and every
 * backend, with its library if it has one, against the reference. In 16 bits what a layer hands on
 * is rounded, to 2^-9 of an entry in bf16, and so are a library's sums of gradients: 4e-2.
 */
@NeedsNative
class RecurrentLayersTest {
  private static final int STEPS = 5;
  private static final int ROWS = 3;
  private static final int INPUTS = 6;
  private static final List<Integer> SIZES = List.of(20, 8);

  private static double[] uniform(long seed, long size) {
    double[] x = Lab.normal(seed, size);
    for (int i = 0; i < x.length; i++) {
      x[i] = 0.5 * Math.tanh(x[i]);
    }
    return x;
  }

  /** What goes in, by name; the parameters are among it. */
  private static Map<String, double[]> inputs(Kind kind) {
    Map<String, double[]> in = new LinkedHashMap<>();
    in.put("x", uniform(1, (long) STEPS * ROWS * INPUTS));
    for (int i = 0; i < 2 * SIZES.size(); i++) {
      long size = (long) ROWS * SIZES.get(i / 2);
      in.put("h" + i, uniform(10 + i, size));
      if (kind == Kind.LSTM) {
        in.put("c" + i, uniform(20 + i, size));
      }
    }
    return in;
  }

  private static Tensor input(
      Tape t, DType dtype, double[] values, String name, Map<String, double[]> out, Lab lab) {
    long columns = name.equals("x") ? INPUTS : values.length / ROWS;
    Tensor x = t.tensor(dtype, values.length / columns, columns);
    lab.backend.transfer(lab.put(dtype, values, x.shape()), x);
    t.record(() -> out.put("d" + name, lab.get(x.grad())), x);
    return x;
  }

  private static Tensor weighted(Tape t, Lab lab, Tensor y, long seed) {
    Tensor dy = t.tensor(y.dtype(), y.shape());
    lab.backend.transfer(lab.put(y.dtype(), uniform(seed, y.size()), y.shape()), dy);
    t.give(y, dy);
    return dy;
  }

  /** Outputs, and gradients of what all outputs weigh together; that weight is "value". */
  private static Map<String, double[]> run(
      Lab lab, DType dtype, Kind kind, Map<String, double[]> in) {
    RecurrentStack.Config config =
        new RecurrentStack.Config(kind, INPUTS, SIZES, true, 0, false, 0);
    Map<String, double[]> out = new LinkedHashMap<>();
    try (Parameters p = new Parameters(lab.backend, dtype)) {
      RecurrentStack.create(config, p, "", 5);
      for (Tensor each : p.values()) {
        each.copyFrom(uniform(each.size(), each.size()));
      }
      p.trainable();
      p.zeroGradients();
      try (Tape t = new Tape(lab.backend, true, new Randomness(1, 1))) {
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        in.forEach((name, v) -> tensors.put(name, input(t, dtype, v, name, out, lab)));
        List<Recurrent.Result> before = new ArrayList<>();
        for (int i = 0; i < 2 * SIZES.size(); i++) {
          Tensor h = tensors.get("h" + i);
          before.add(new Recurrent.Result(h, h, kind == Kind.LSTM ? tensors.get("c" + i) : h));
        }
        RecurrentStack stack = new RecurrentStack(config, p, "");
        RecurrentStack.Result result = stack.run(t, tensors.get("x"), ROWS, before);
        Map<String, Tensor> outputs = new LinkedHashMap<>();
        outputs.put("y", result.y());
        for (int i = 0; i < before.size(); i++) {
          outputs.put("last h" + i, result.states().get(i).h());
          if (kind == Kind.LSTM) {
            outputs.put("last c" + i, result.states().get(i).c());
          }
        }
        out.put("value", new double[1]);
        outputs.forEach((name, y) -> weigh(t, lab, name, y, out));
        t.backward();
      }
      p.values().forEach(each -> out.put("d" + each.name(), lab.get(each.grad())));
    }
    return out;
  }

  private static void weigh(Tape t, Lab lab, String name, Tensor y, Map<String, double[]> out) {
    double[] values = lab.get(Layers.copy(t, y, v -> v));
    double[] weights = lab.get(weighted(t, lab, y, 100 + out.size()));
    double[] value = out.get("value");
    for (int i = 0; i < values.length; i++) {
      value[0] += values[i] * weights[i];
    }
    out.put(name, values);
  }

  @ParameterizedTest
  @EnumSource(
      value = Kind.class,
      names = {"LSTM", "GRU"})
  void firstStatesGetTheirGradients(Kind kind) {
    double step = 1e-5;
    try (Lab lab = new Lab("reference")) {
      Map<String, double[]> in = inputs(kind);
      Map<String, double[]> gradients = run(lab, DType.F64, kind, in);
      in.forEach(
          (name, values) -> {
            int at = values.length / 2;
            double old = values[at];
            values[at] = old + step;
            double above = run(lab, DType.F64, kind, in).get("value")[0];
            values[at] = old - step;
            double below = run(lab, DType.F64, kind, in).get("value")[0];
            values[at] = old;
            double expected = (above - below) / (2 * step);
            assertTrue(Math.abs(expected) > 1e-6, name + " makes no difference");
            assertEquals(expected, gradients.get("d" + name)[at], 1e-7, name);
          });
    }
  }

  static Stream<Arguments> backends() {
    return BackendsUnderTest.names()
        .filter(name -> !name.equals("reference"))
        .flatMap(
            name -> // f16 products are not to be had on most CPUs
            Stream.of(DType.F32, DType.BF16, DType.F16)
                    .filter(dtype -> dtype != DType.F16 || name.equals("cuda"))
                    .flatMap(
                        dtype ->
                            Stream.of(Kind.LSTM, Kind.GRU)
                                .map(kind -> Arguments.of(name, dtype, kind))));
  }

  @ParameterizedTest
  @MethodSource("backends")
  void agreesWithTheReference(String backend, DType dtype, Kind kind) {
    try (Lab reference = new Lab("reference");
        Lab lab = new Lab(backend)) {
      Map<String, double[]> expected = run(reference, dtype, kind, inputs(kind));
      Map<String, double[]> actual = run(lab, dtype, kind, inputs(kind));
      assertEquals(expected.keySet(), actual.keySet());
      double tolerance = dtype == DType.F32 ? 2e-5 : 4e-2;
      expected.forEach(
          (name, values) -> Lab.close(name, values, actual.get(name), tolerance, 1e-1));
      // The same again, bit for bit.
      run(lab, dtype, kind, inputs(kind))
          .forEach((name, values) -> assertArrayEquals(values, actual.get(name), name));
    }
  }
}
