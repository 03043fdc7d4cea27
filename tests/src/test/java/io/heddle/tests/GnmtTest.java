package io.heddle.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.heddle.autograd.Randomness;
import io.heddle.autograd.Tape;
import io.heddle.models.Gnmt;
import io.heddle.models.NextTokenModel.Continuation;
import io.heddle.models.Translators.Marks;
import io.heddle.op.Layers;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * GNMT: gradients against central differences, what is written token by token against what is read
 * at once, and padding that changes nothing.
 */
@NeedsNative
class GnmtTest {
  private static final Marks MARKS = new Marks(1, 2, 0);
  private static final int[][] SOURCE = {{3, 4, 5, 2}, {5, 3, 2, 0}};
  private static final int[][] MASK = {{1, 1, 1, 1}, {1, 1, 1, 0}};
  private static final int[][] TARGET = {{1, 5, 4}, {1, 3, 3}};

  private final Path folder;

  GnmtTest(@TempDir Path folder) {
    this.folder = folder;
  }

  private static Gnmt tiny(Lab lab, DType dtype, int layers, int both) {
    Gnmt.Shape shape = new Gnmt.Shape(6, 3, layers, both, 20, 0);
    Gnmt model = Gnmt.random(shape, MARKS, lab.backend, dtype, 4);
    for (Tensor p : model.parameters().values()) {
      lab.backend.transfer(lab.put(dtype, Lab.normal(p.size() + 7, p.size()), p.shape()), p);
    }
    return model;
  }

  // What outputs weigh together; gradients are left in the parameters.
  private static double value(Lab lab, Gnmt model) {
    model.parameters().zeroGradients();
    try (Tape t = new Tape(lab.backend, true, new Randomness(1, 1))) {
      Tensor y = model.hidden(t, SOURCE, MASK, TARGET);
      double[] values = lab.get(y);
      double[] weights = Lab.normal(3, y.size());
      Tensor dy = t.tensor(y.dtype(), y.shape()).copyFrom(weights);
      t.give(y, dy);
      t.backward();
      double sum = 0;
      for (int i = 0; i < values.length; i++) {
        sum += values[i] * weights[i];
      }
      return sum;
    }
  }

  @ParameterizedTest
  @CsvSource({"1,1", "3,1", "2,2"})
  void gradients(int layers, int both) {
    double step = 1e-5;
    try (Lab lab = new Lab("reference");
        Gnmt model = tiny(lab, DType.F64, layers, both)) {
      model.parameters().trainable();
      value(lab, model);
      List<Tensor> all =
          model.parameters().values().stream()
              .filter(p -> !String.valueOf(p.name()).startsWith("head"))
              .toList();
      List<double[]> gradients = all.stream().map(p -> lab.get(p.grad())).toList();
      for (int i = 0; i < all.size(); i++) {
        double[] values = all.get(i).toDoubles();
        for (int at = values.length - 1; at >= 0; at -= 1 + values.length / 3) {
          double old = values[at];
          values[at] = old + step;
          all.get(i).copyFrom(values);
          double above = value(lab, model);
          values[at] = old - step;
          all.get(i).copyFrom(values);
          double expected = (above - value(lab, model)) / (2 * step);
          values[at] = old;
          all.get(i).copyFrom(values);
          String what = all.get(i) + " at " + at;
          assertEquals(expected, gradients.get(i)[at], 1e-6 * (1 + Math.abs(expected)), what);
        }
      }
    }
  }

  private static double[] logits(Lab lab, Gnmt model, int[][] source, int[][] mask, int[][] in) {
    try (Tape t = Tape.inference(lab.backend)) {
      Tensor hidden = model.hidden(t, source, mask, in);
      Tensor table = model.parameters().get("embed.weight");
      Tensor bias = model.parameters().get("head.bias");
      return lab.get(Layers.linear(t, hidden, table, bias));
    }
  }

  private static double[] doubles(float[] x) {
    double[] out = new double[x.length];
    Arrays.setAll(out, i -> x[i]);
    return out;
  }

  @Test
  void writesWhatItWouldRead() throws IOException {
    try (Lab lab = new Lab("cpu");
        Gnmt first = tiny(lab, DType.F32, 3, 1)) {
      first.save(folder);
      try (Gnmt model = Gnmt.load(folder, 0, lab.backend, DType.F32);
          Continuation at =
              model
                  .over(new int[][] {{3, 4, 5, 2}, {5, 3, 2}})
                  .begin(new int[][] {{1}, {1}}, 2, 5)) {
        double[] whole = logits(lab, first, SOURCE, MASK, TARGET);
        // The padding of the shorter source, and what stands beside it, change nothing.
        double[] alone = logits(lab, first, new int[][] {{5, 3, 2}}, null, new int[][] {TARGET[1]});
        Lab.close("alone", Arrays.copyOfRange(whole, 3 * 6, 6 * 6), alone, 1e-5);
        // Two texts of each source; the second continues as the target does.
        at.select(new int[] {0, 0, 1, 1});
        at.append(new int[] {3, 5, 4, 3});
        at.select(new int[] {1, 1, 3, 3});
        at.append(new int[] {4, 4, 3, 2});
        double[] written = doubles(at.logits());
        Lab.close("0", Arrays.copyOfRange(whole, 12, 18), Arrays.copyOf(written, 6), 1e-5);
        double[] last = Arrays.copyOfRange(written, 12, 18);
        Lab.close("1", Arrays.copyOfRange(whole, 30, 36), last, 1e-5);
        assertThrows(IllegalArgumentException.class, () -> at.append(new int[] {3}));
      }
      assertThrows(
          IllegalArgumentException.class,
          () -> first.over(SOURCE).begin(new int[][] {{1}, {1, 3}}, 1, 5));
    }
  }
}
