package io.heddle.nn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.autograd.Randomness;
import io.heddle.autograd.Tape;
import io.heddle.backend.Backend;
import io.heddle.backend.Backends;
import io.heddle.tensor.DType;
import io.heddle.tensor.Scope;
import io.heddle.tensor.Tensor;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Weights of eight bits: how far off they are, and that products are no further. */
class Int8Test {
  private final Backend backend = Backends.open("reference");
  private final Scope scope = new Scope(backend.memory());
  private final Random random = new Random(4);

  @AfterEach
  void close() {
    scope.close();
    backend.close();
  }

  private Tensor normal(DType dtype, long... shape) {
    Tensor tensor = scope.tensor(dtype, shape);
    float[] values = new float[(int) tensor.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return tensor.copyFrom(values);
  }

  // The weights, their bytes and their scales.
  private record Rounded(Tensor exact, Tensor bytes, Tensor scales) {
    double weight(long row, long column) {
      return (bytes.get(row, column) - Int8.ZERO) * scales.get(row);
    }
  }

  private Rounded rounded(DType dtype, long rows, long columns) {
    Tensor exact = normal(dtype, rows, columns);
    Tensor bytes = scope.tensor(DType.U8, rows, columns);
    Tensor scales = scope.tensor(DType.F32, rows);
    Int8.round(exact, bytes, scales);
    return new Rounded(exact, bytes, scales);
  }

  @Test
  void weightsAreOffByHalfAScaleAtMost() {
    for (DType dtype : new DType[] {DType.F32, DType.BF16, DType.F16}) {
      Rounded w = rounded(dtype, 7, 33);
      for (int r = 0; r < 7; r++) {
        double most = 0;
        double reached = 0;
        for (int c = 0; c < 33; c++) {
          most = Math.max(most, Math.abs(w.exact.get(r, c)));
          reached = Math.max(reached, Math.abs(w.bytes.get(r, c) - Int8.ZERO));
          double off = Math.abs(w.weight(r, c) - w.exact.get(r, c));
          assertTrue(off <= w.scales.get(r) * 0.500001, "row " + r + " column " + c);
        }
        assertEquals(most / 127, w.scales.get(r), 1e-7 * most);
        assertEquals(127, reached, "the whole range is used");
      }
    }
  }

  @Test
  void rowsOfZerosStayAndWhatIsNoNumberIsRefused() {
    Tensor exact = scope.tensor(DType.F32, 2, 3).copyFrom(new float[] {0, 0, 0, 1, -2, 0});
    Tensor bytes = scope.tensor(DType.U8, 2, 3);
    Tensor scales = scope.tensor(DType.F32, 2);
    Int8.round(exact, bytes, scales);
    assertEquals(Int8.ZERO, bytes.get(0, 1));
    assertEquals(0, scales.get(0));
    assertEquals(Int8.ZERO - 127, bytes.get(1, 1));
    for (float bad : new float[] {Float.NaN, Float.NEGATIVE_INFINITY}) {
      exact.set(bad, 1, 2);
      String message =
          assertThrows(
                  IllegalArgumentException.class, () -> Int8.round(exact.named("w"), bytes, scales))
              .getMessage();
      assertTrue(String.valueOf(message).contains("no number"), message);
    }
  }

  /**
   * |y - x w^T| is at most half a scale for each |x|, and what summing in the type costs: where the
   * bytes are read as they lie, and where they are widened first.
   */
  @ParameterizedTest
  @ValueSource(ints = {2, Int8.FEW + 1, Int8.FEW_ON_DEVICE + 1})
  void productsStayWithinTheBound(int inputs) {
    for (DType dtype : new DType[] {DType.F32, DType.BF16}) {
      // 300 rows of 2048 are more than one workspace.
      Rounded w = rounded(dtype, 300, 2048);
      Tensor x = normal(dtype, inputs, 2048);
      Tensor bias = normal(dtype, 300);
      try (Tape t = Tape.inference(backend)) {
        Tensor y = Int8.product(t, x, w.bytes, w.scales, bias);
        for (int n = 0; n < 2; n++) {
          double size = 0;
          for (int k = 0; k < 2048; k++) {
            size += Math.abs(x.get(n, k));
          }
          for (int m = 0; m < 300; m += 7) {
            double exact = bias.get(m);
            double rounded = bias.get(m);
            for (int k = 0; k < 2048; k++) {
              exact += x.get(n, k) * w.exact.get(m, k);
              rounded += x.get(n, k) * w.weight(m, k);
            }
            double ulp = dtype == DType.F32 ? 1e-6 : 1.0 / 128;
            double type = ulp * (Math.abs(rounded) + 1);
            assertEquals(exact, y.get(n, m), 0.500001 * w.scales.get(m) * size + type);
            assertEquals(rounded, y.get(n, m), type + (dtype == DType.F32 ? 1e-4 : 0));
          }
        }
      }
    }
  }

  @Test
  void trainingIsRefused() {
    Rounded w = rounded(DType.F32, 3, 4);
    Tensor x = normal(DType.F32, 2, 4).requiresGrad(true);
    try (Tape t = new Tape(backend, true, Randomness.NONE)) {
      assertThrows(
          UnsupportedOperationException.class, () -> Int8.product(t, x, w.bytes, w.scales, null));
    }
    try (Parameters p = Parameters.awaiting(backend, DType.F32, true)) {
      Modules.linear(p, "a", 0.02, 1, true, 3, 4);
      p.fillRows("a.weight", 0, w.exact);
      p.filled("a.weight");
      p.draw("a.bias");
      p.settle();
      assertEquals(DType.U8, p.get("a.weight").dtype());
      String message = assertThrows(IllegalStateException.class, p::trainable).getMessage();
      assertTrue(
          String.valueOf(message).contains("cannot be trained: load it without int8"), message);
      assertThrows(IllegalStateException.class, () -> Lora.attach(p, "a", 2, 2, 1));
    }
  }
}
