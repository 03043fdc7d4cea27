package io.heddle.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.op.pattern.BlockLayout;
import io.heddle.op.pattern.Patterns;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import java.util.List;
import java.util.function.Supplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The backward ops of every backend against central differences of its forward ones: the reference
 * in f64, the others in f32.
 */
@ParameterizedClass
@MethodSource("io.heddle.tests.BackendsUnderTest#names")
class GradientTest {
  @Parameter private String backend;

  private DType dtype;
  // Central differences err by the step's square times the third derivative, and by the type's
  // rounding (1e-16, 1e-7) over the step.
  private double step;
  private double tolerance;

  private Lab lab;

  @BeforeEach
  void open() {
    boolean exact = backend.equals("reference");
    dtype = exact ? DType.F64 : DType.F32;
    step = exact ? 1e-5 : 1e-2;
    tolerance = exact ? 1e-6 : 2e-3;
    lab = new Lab(backend);
  }

  @AfterEach
  void close() {
    lab.close();
  }

  private Tensor input(long seed, long... shape) {
    long size = 1;
    for (long d : shape) {
      size *= d;
    }
    return lab.put(dtype, Lab.normal(seed, size), shape);
  }

  private Tensor out(long... shape) {
    return lab.out(dtype, shape);
  }

  private static double dot(Tensor a, Tensor b) {
    double[] x = a.toDoubles();
    double[] y = b.toDoubles();
    double sum = 0;
    for (int i = 0; i < x.length; i++) {
      sum += x[i] * y[i];
    }
    return sum;
  }

  // gradient must be d(value)/d(x).
  private void check(String what, Tensor x, Tensor gradient, Supplier<Double> value) {
    double[] values = x.toDoubles();
    double[] expected = new double[values.length];
    for (int i = 0; i < values.length; i++) {
      double old = values[i];
      values[i] = old + step;
      x.copyFrom(values);
      double above = value.get();
      values[i] = old - step;
      x.copyFrom(values);
      expected[i] = (above - value.get()) / (2 * step);
      values[i] = old;
    }
    x.copyFrom(values);
    Lab.close(what, expected, gradient.toDoubles(), tolerance, 1e-2);
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1})
  void norm(int kind) {
    Params params = new Params.Norm(kind, 1e-3f, 0.5f, 0);
    Tensor x = input(1, 3, 7);
    Tensor residual = input(2, 3, 7);
    Tensor weight = input(3, 7);
    Tensor bias = input(4, 7);
    Tensor y = out(3, 7);
    Tensor s = out(3, 7);
    // f32 by contract: 1e-7 of rounding in the statistics, so the backward pass is good to that
    // only.
    Tensor mean = kind == 0 ? lab.out(DType.F32, 3) : null;
    Tensor rstd = lab.out(DType.F32, 3);
    Tensor dy = input(5, 3, 7);
    Tensor ds = input(6, 3, 7);
    Supplier<Double> value =
        () -> {
          lab.run(OpCode.NORM_FWD, params, x, residual, weight, bias, y, s, mean, rstd);
          return dot(y, dy) + dot(s, ds);
        };
    assertTrue(Double.isFinite(value.get())); // fills what the backward op reads
    Tensor dx = out(3, 7);
    Tensor dweight = out(7);
    Tensor dbias = out(7);
    lab.run(OpCode.NORM_BWD, params, dy, ds, s, weight, mean, rstd, dx, dweight, dbias);
    check("dx", x, dx, value);
    check("dresidual", residual, dx, value);
    check("dweight", weight, dweight, value);
    check("dbias", bias, dbias, value);
    Params more = new Params.Norm(kind, 1e-3f, 0.5f, 1);
    double[] once = dweight.toDoubles();
    lab.run(OpCode.NORM_BWD, more, dy, ds, s, weight, mean, rstd, dx, dweight, dbias);
    double[] twice = dweight.toDoubles();
    for (int i = 0; i < once.length; i++) {
      assertEquals(2 * once[i], twice[i], 1e-6 * tolerance, "accumulate adds");
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 2, 3, 4, 5, 6})
  void activationAndGlu(int kind) {
    Params params = new Params.Activation(kind, 0);
    Tensor bias = input(2, 6);
    double[] values = Lab.normal(1, 24);
    double[] offsets = bias.toDoubles();
    for (int i = 0; i < values.length; i++) {
      // ReLU has no derivative at 0.
      values[i] += Math.abs(values[i] + offsets[i % 6]) < 0.1 ? 0.3 : 0;
    }
    Tensor x = lab.put(dtype, values, 4, 6);
    Tensor y = out(4, 6);
    Tensor dy = input(3, 4, 6);
    Tensor dx = out(4, 6);
    Tensor dbias = out(6);
    Supplier<Double> value =
        () -> {
          lab.run(OpCode.BIAS_ACT_FWD, params, x, bias, y);
          return dot(y, dy);
        };
    lab.run(OpCode.BIAS_ACT_BWD, params, dy, x, bias, dx, dbias);
    check("dx", x, dx, value);
    check("dbias", bias, dbias, value);

    Tensor half = out(4, 3);
    Tensor dhalf = input(4, 4, 3);
    Supplier<Double> gated =
        () -> {
          lab.run(OpCode.GLU_FWD, params, x, bias, half);
          return dot(half, dhalf);
        };
    lab.run(OpCode.GLU_BWD, params, dhalf, x, bias, dx, dbias);
    check("glu dx", x, dx, gated);
    check("glu dbias", bias, dbias, gated);
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1})
  void rotary(int interleaved) {
    Tensor x = input(1, 1, 2, 3, 6);
    Tensor dy = input(2, 1, 2, 3, 6);
    Tensor positions = lab.ints(new int[] {3, 0, 100}, 3);
    Tensor frequency = lab.put(DType.F32, new double[] {1, 0.25}, 2);
    Tensor y = out(1, 2, 3, 6);
    Tensor dx = out(1, 2, 3, 6);
    lab.run(OpCode.ROTARY, new Params.Rotary(interleaved, 1, 1.5f), dy, positions, frequency, dx);
    check(
        "dx",
        x,
        dx,
        () -> {
          lab.run(
              OpCode.ROTARY, new Params.Rotary(interleaved, 0, 1.5f), x, positions, frequency, y);
          return dot(y, dy);
        });
  }

  @Test
  void softmax() {
    Tensor x = input(1, 3, 9);
    Tensor dy = input(2, 3, 9);
    Tensor y = out(3, 9);
    Tensor dx = out(3, 9);
    Supplier<Double> value =
        () -> {
          lab.run(OpCode.SOFTMAX_FWD, Lab.NONE, x, y);
          return dot(y, dy);
        };
    assertTrue(Double.isFinite(value.get())); // fills what the backward op reads
    lab.run(OpCode.SOFTMAX_BWD, Lab.NONE, dy, y, dx);
    check("dx", x, dx, value);
  }

  @ParameterizedTest
  @ValueSource(floats = {0, 0.2f})
  void crossEntropy(float smoothing) {
    Tensor x = input(1, 4, 9);
    int[] wanted = {2, -100, 8, 0};
    Tensor targets = lab.ints(wanted, 4);
    Tensor dx = out(4, 9);
    // Each row's loss is f32 by contract; differences of it are useless, so the value is formed
    // here, from the contract's formula.
    lab.run(
        OpCode.CROSS_ENTROPY,
        new Params.CrossEntropy(-100, smoothing, 0.5f),
        x,
        targets,
        lab.out(DType.F32, 4),
        dx);
    check(
        "dlogits",
        x,
        dx,
        () -> {
          double sum = 0;
          double[] logits = x.toDoubles();
          for (int n = 0; n < 4; n++) {
            int target = wanted[n];
            double total = 0;
            double linear = 0;
            for (int v = 0; v < 9 && target >= 0; v++) {
              total += Math.exp(logits[9 * n + v]);
              linear += (smoothing / 9.0 + (v == target ? 1 - smoothing : 0)) * logits[9 * n + v];
            }
            sum += target >= 0 ? Math.log(total) - linear : 0;
          }
          return 0.5 * sum;
        });
  }

  @ParameterizedTest
  @ValueSource(strings = {"full", "causal", "window", "softcap", "alibi", "dropout", "all"})
  void attention(String name) {
    boolean all = name.equals("all");
    long queries = all ? 4 : 6;
    long[] shape = {2, 4, queries, 3};
    long[] cached = {2, 2, 6, 3};
    Params params =
        new Params.Attention(
            7,
            3,
            0.7f,
            all || name.equals("softcap") ? 1.5f : 0,
            all || name.equals("dropout") ? 0.3f : 0);
    Tensor q = input(1, shape);
    Tensor k = input(2, cached);
    Tensor v = input(3, cached);
    Tensor grad = input(4, shape);
    Tensor o = out(shape);
    Tensor lse = lab.out(DType.F32, 2, 4, queries);
    Tensor slopes =
        all || name.equals("alibi")
            ? lab.put(DType.F32, new double[] {0.5, 0.25, 0.125, 0.0625}, 4)
            : null;
    BlockLayout layout =
        switch (name) {
          case "full", "softcap", "alibi" -> BlockLayout.of(Patterns.full(), 4, queries, 6);
          case "window" -> BlockLayout.of(Patterns.window(2, 1), 4, queries, 6);
          case "all" ->
              BlockLayout.compile(
                  List.of(
                      List.of(Patterns.causal(), Patterns.length(3)),
                      List.of(
                          Patterns.dilated(4, 2),
                          Patterns.documents(new int[] {0, 0, 1, 1, 2, 2}))),
                  new int[] {0, 1, 1, 0},
                  queries,
                  6);
          default -> BlockLayout.of(Patterns.causal(), 4, queries, 6);
        };
    BlockLayout.Tensors t = lab.layout(layout);
    Supplier<Double> value =
        () -> {
          lab.run(
              OpCode.ATTENTION_FWD,
              params,
              q,
              k,
              v,
              t.rowPtr(),
              t.rowBlocks(),
              t.masks(),
              t.headGroup(),
              slopes,
              null,
              o,
              lse);
          return dot(o, grad);
        };
    assertTrue(Double.isFinite(value.get())); // fills what the backward op reads
    Tensor dq = out(shape);
    Tensor dk = out(cached);
    Tensor dv = out(cached);
    lab.run(
        OpCode.ATTENTION_BWD,
        params,
        q,
        k,
        v,
        o,
        lse,
        grad,
        t.rowPtr(),
        t.rowBlocks(),
        t.colPtr(),
        t.colBlocks(),
        t.masks(),
        t.headGroup(),
        slopes,
        null,
        dq,
        dk,
        dv);
    check("dq", q, dq, value);
    check("dk", k, dk, value);
    check("dv", v, dv, value);
  }
}
