package io.heddle.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.heddle.autograd.Randomness;
import io.heddle.autograd.Tape;
import io.heddle.nn.CharCnn;
import io.heddle.nn.CharCnn.Filters;
import io.heddle.nn.Highway;
import io.heddle.nn.Parameters;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Words by their characters on every backend against the formula, written out here in f64 word by
 * word; gradients against central differences of the reference.
 */
@NeedsNative
class CharCnnTest {
  private static final int LENGTH = 6;
  private static final int SIZE = 3;
  private static final int FEATURES = 5;
  private static final int OUTPUT = 4;
  private static final CharCnn.Config CONFIG =
      new CharCnn.Config(7, LENGTH, SIZE, List.of(new Filters(1, 2), new Filters(3, 3)), 2, OUTPUT);
  private static final int[] WORDS = {0, 1, 2, 3, 4, 5, 6, 5, 1, 0, 0, 2, 3, 3, 6, 1, 4, 4};

  private static Parameters parameters(Lab lab, DType dtype) {
    Parameters p = new Parameters(lab.backend, dtype);
    CharCnn.create(CONFIG, p, "", 1);
    for (Tensor each : p.values()) {
      double[] values = Lab.normal(each.size() + each.rank(), each.size());
      lab.backend.transfer(lab.put(dtype, values, each.shape()), each);
    }
    return p;
  }

  private static double[] affine(double[] w, double[] b, double[] x) {
    double[] y = b.clone();
    for (int i = 0; i < w.length; i++) {
      y[i / x.length] += w[i] * x[i % x.length];
    }
    return y;
  }

  private static double[] expected(Lab lab, Parameters p, int word) {
    double[] table = lab.get(p.get("characters.weight"));
    double[] x = new double[LENGTH * SIZE];
    for (int i = 0; i < x.length; i++) {
      x[i] = table[WORDS[word * LENGTH + i / SIZE] * SIZE + i % SIZE];
    }
    double[] features = new double[FEATURES];
    int at = 0;
    for (Filters each : CONFIG.filters()) {
      double[] w = lab.get(p.get("width." + each.width() + ".weight"));
      double[] b = lab.get(p.get("width." + each.width() + ".bias"));
      double[] most = new double[each.count()];
      Arrays.fill(most, Double.NEGATIVE_INFINITY);
      for (int from = 0; from + each.width() <= LENGTH; from++) {
        double[] window = Arrays.copyOfRange(x, from * SIZE, (from + each.width()) * SIZE);
        double[] y = affine(w, b, window);
        Arrays.setAll(most, i -> Math.max(most[i], Math.tanh(y[i])));
      }
      System.arraycopy(most, 0, features, at, most.length);
      at += most.length;
    }
    for (int i = 0; i < CONFIG.highways(); i++) {
      double[] w = lab.get(p.get("highway." + i + ".weight"));
      double[] both = affine(w, lab.get(p.get("highway." + i + ".bias")), features);
      double[] before = features.clone();
      for (int j = 0; j < FEATURES; j++) {
        double gate = 1 / (1 + Math.exp(-both[FEATURES + j]));
        features[j] = gate * Math.max(0, both[j]) + (1 - gate) * before[j];
      }
    }
    return affine(lab.get(p.get("out.weight")), lab.get(p.get("out.bias")), features);
  }

  static Stream<String> backends() {
    return BackendsUnderTest.names();
  }

  @ParameterizedTest
  @MethodSource("backends")
  void computesItsFormula(String backend) {
    try (Lab lab = new Lab(backend);
        Parameters p = parameters(lab, DType.F32);
        Tape t = Tape.inference(lab.backend)) {
      double[] y = lab.get(new CharCnn(CONFIG, p, "").words(t, WORDS));
      for (int word = 0; word < WORDS.length / LENGTH; word++) {
        double[] own = Arrays.copyOfRange(y, word * OUTPUT, (word + 1) * OUTPUT);
        Lab.close("word " + word, expected(lab, p, word), own, 1e-5);
      }
    }
  }

  private static double value(Lab lab, Parameters p) {
    p.zeroGradients();
    try (Tape t = new Tape(lab.backend, true, new Randomness(1, 1))) {
      Tensor y = new CharCnn(CONFIG, p, "").words(t, WORDS);
      double[] values = lab.get(y);
      double[] weights = Lab.normal(5, y.size());
      t.give(y, t.tensor(y.dtype(), y.shape()).copyFrom(weights));
      t.backward();
      double sum = 0;
      for (int i = 0; i < values.length; i++) {
        sum += values[i] * weights[i];
      }
      return sum;
    }
  }

  private static double with(Tensor x, double[] values, Lab lab, Parameters p) {
    x.copyFrom(values);
    return value(lab, p);
  }

  @Test
  void gradients() {
    double step = 1e-6;
    try (Lab lab = new Lab("reference");
        Parameters p = parameters(lab, DType.F64)) {
      p.trainable();
      value(lab, p);
      List<double[]> gradients = p.values().stream().map(x -> lab.get(x.grad())).toList();
      int number = 0;
      for (Tensor each : List.copyOf(p.values())) {
        double[] values = each.toDoubles();
        double[] expected = new double[values.length];
        for (int i = 0; i < values.length; i++) {
          double old = values[i];
          values[i] = old + step;
          double above = with(each, values, lab, p);
          values[i] = old - step;
          expected[i] = (above - with(each, values, lab, p)) / (2 * step);
          values[i] = old;
          each.copyFrom(values);
        }
        Lab.close(String.valueOf(each.name()), expected, gradients.get(number++), 1e-6, 1e-2);
      }
    }
  }

  @Test
  void freshHighwaysLetMostPass() {
    try (Lab lab = new Lab("reference");
        Parameters p = new Parameters(lab.backend, DType.F64);
        Tape t = Tape.inference(lab.backend)) {
      Highway.create(p, "h.", 1, 3, 1);
      p.get("h.0.weight").copyFrom(new double[18]);
      double[] x = Lab.normal(1, 6);
      double[] y = lab.get(Highway.run(t, p, "h.", 1, lab.put(DType.F64, x, 2, 3)));
      for (int i = 0; i < x.length; i++) {
        assertEquals(x[i] * (1 - 1 / (1 + Math.exp(2))), y[i], 1e-12);
      }
    }
  }

  @Test
  void refusesWhatIsNoWord() {
    assertThrows(
        IllegalArgumentException.class,
        () -> new CharCnn.Config(7, 2, SIZE, List.of(new Filters(3, 1)), 0, OUTPUT));
    try (Lab lab = new Lab("reference");
        Parameters p = parameters(lab, DType.F32);
        Tape t = Tape.inference(lab.backend)) {
      CharCnn cnn = new CharCnn(CONFIG, p, "");
      assertThrows(IllegalArgumentException.class, () -> cnn.words(t, new int[7]));
    }
  }
}
