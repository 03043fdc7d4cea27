package io.heddle.checkpoint.merge;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.checkpoint.Checkpoint;
import io.heddle.checkpoint.FloatCodec;
import io.heddle.checkpoint.MemoryTensors;
import io.heddle.checkpoint.StorageType;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Every method against {@link Formulas}, with ties of magnitude on purpose, in chunks of one and of
 * many blocks.
 */
class MethodsTest {
  private static final String NAME = "model.layers.0.mlp.weight";
  private static final int ROWS = 37;
  private static final int COLUMNS = 900; // more than eight blocks in all
  private static final int N = ROWS * COLUMNS;
  private static final long SEED = 7;

  private final double[] base = row(1, 1, StorageType.F32);
  private final List<double[]> sources =
      List.of(
          near(base, 2, StorageType.F32),
          near(base, 3, StorageType.F32),
          near(base, 4, StorageType.F32));

  private static double[] row(long seed, double scale, StorageType type) {
    Random random = new Random(seed);
    double[] out = new double[N];
    for (int i = 0; i < N; i++) {
      out[i] = FloatCodec.rounded(scale * random.nextGaussian(), type);
    }
    return out;
  }

  // Differences in steps of 1/64: many equal magnitudes, and zeros.
  private static double[] near(double[] base, long seed, StorageType type) {
    Random random = new Random(seed);
    double[] out = base.clone();
    for (int i = 0; i < N; i++) {
      double step = i % 3 == 0 ? Math.rint(random.nextGaussian() * 8) / 64 : random.nextGaussian();
      out[i] = FloatCodec.rounded(base[i] + step, type);
    }
    return out;
  }

  private static Checkpoint model(String label, StorageType type, double[] values) {
    byte[] bytes = new byte[N * type.bits() / 8];
    FloatCodec.encode(values, MemorySegment.ofArray(bytes), 0, type, N);
    return Checkpoint.of(
        label, new MemoryTensors().add(NAME, type, MemorySegment.ofArray(bytes), ROWS, COLUMNS));
  }

  private Merge merge(Method method, boolean withBase, int count, Object... sourceSettings) {
    Merge merge = Merge.of(method, withBase ? model("base", StorageType.F32, base) : null);
    for (int s = 0; s < count; s++) {
      Object[] own = sourceSettings.clone();
      for (int i = 1; i < own.length; i += 2) {
        own[i] = own[i] instanceof double[] each ? (Object) each[s] : own[i];
      }
      merge.add(model("s" + s, StorageType.F32, sources.get(s)), Formulas.settings(own));
    }
    return merge.seed(SEED).dtype(StorageType.F64);
  }

  private static double[] run(Merge merge, MergeOptions options) throws IOException {
    StorageType type = merge.plan().tensors().getFirst().type();
    byte[] bytes = new byte[N * type.bits() / 8];
    merge.options(options).writeInto(Map.of(NAME, MemorySegment.ofArray(bytes)));
    double[] out = new double[N];
    FloatCodec.decode(MemorySegment.ofArray(bytes), 0, type, out, N);
    return out;
  }

  /** Runs in one chunk and in many, with one and with seven threads: all the same bits. */
  private static double[] run(Merge merge) throws IOException {
    double[] whole = run(merge, MergeOptions.DEFAULT.threads(1));
    double[] parts = run(merge, MergeOptions.DEFAULT.maxMemory(1 << 21).threads(7));
    for (int i = 0; i < N; i++) {
      assertEquals(
          Double.doubleToRawLongBits(whole[i]), Double.doubleToRawLongBits(parts[i]), "at " + i);
    }
    return whole;
  }

  private static void exact(double[] expected, double[] actual) {
    for (int i = 0; i < N; i++) {
      assertEquals(expected[i], actual[i], 1e-15 * (1 + Math.abs(expected[i])), "element " + i);
    }
  }

  private static void near(double[] expected, double[] actual) {
    for (int i = 0; i < N; i++) {
      assertEquals(expected[i], actual[i], 1e-11, "element " + i);
    }
  }

  private List<double[]> deltas(int count) {
    return new ArrayList<>(
        sources.subList(0, count).stream().map(s -> Formulas.minus(s, base)).toList());
  }

  @Test
  void distributionEditedModel() throws IOException {
    double[] w = {0.5, -0.25, 0.9};
    exact(Formulas.dem(base, sources, w), run(merge(Method.DEM, true, 3, "weight", w)));
    Merge halved = merge(Method.TASK_ARITHMETIC, true, 3, "weight", w).set("lambda", 0.5);
    exact(Formulas.dem(base, sources, 0.25, -0.125, 0.45), run(halved));
    assertThrows(IllegalArgumentException.class, () -> merge(Method.DEM, true, 2).plan());
  }

  @Test
  void sums() throws IOException {
    double[] w = {0.3, 0.6, -0.2};
    double[] zero = new double[N];
    exact(Formulas.dem(zero, sources, w), run(merge(Method.LINEAR, false, 3, "weight", w)));
    double[] mean = Formulas.dem(zero, sources, 1 / 3.0, 1 / 3.0, 1 / 3.0);
    exact(mean, run(merge(Method.AVERAGE, false, 3)));
    Merge normalized = merge(Method.LINEAR, false, 3, "weight", 5).set("normalize", 1);
    near(mean, run(normalized));
    exact(Formulas.dem(zero, sources, 2), run(merge(Method.PASSTHROUGH, false, 1, "scale", 2)));
  }

  @Test
  void arcs() throws IOException {
    Merge slerp = merge(Method.SLERP, false, 2).set("t", 0.3);
    near(Formulas.slerp(sources.get(0), sources.get(1), 0.3, false), run(slerp));
    double[] w = {1, 3};
    near(
        Formulas.slerp(sources.get(0), sources.get(1), 0.75, true),
        run(merge(Method.NUSLERP, false, 2, "weight", w)));
    List<double[]> deltas = deltas(2);
    double[] arc = Formulas.slerp(deltas.get(0), deltas.get(1), 0.75, true);
    double[] moved = base.clone();
    for (int i = 0; i < N; i++) {
      moved[i] += arc[i];
    }
    near(moved, run(merge(Method.NUSLERP, true, 2, "weight", w)));
    near(
        Formulas.karcher(sources, new double[] {0.2, 0.3, 0.5}, 10, 1e-5),
        run(merge(Method.KARCHER, false, 3, "weight", new double[] {2, 3, 5})));
    assertThrows(
        IllegalArgumentException.class, () -> merge(Method.SLERP, false, 3).set("t", 0.5).plan());
    assertThrows(IllegalArgumentException.class, () -> merge(Method.SLERP, false, 2).plan());
  }

  @Test
  void aKarcherMeanOfTwoIsTheMiddleOfTheArc() throws IOException {
    double[] a = sources.get(0);
    double[] b = sources.get(1);
    double scale = Math.sqrt(Formulas.dot(a, a) / Formulas.dot(b, b));
    double[] alike = b.clone();
    for (int i = 0; i < N; i++) {
      alike[i] *= scale;
    }
    Merge merge =
        Merge.of(Method.KARCHER, null)
            .add(model("a", StorageType.F64, a))
            .add(model("b", StorageType.F64, alike));
    near(Formulas.slerp(a, alike, 0.5, true), run(merge));
  }

  @Test
  void modelStock() throws IOException {
    near(Formulas.modelStock(base, sources), run(merge(Method.MODEL_STOCK, true, 3)));
  }

  @ParameterizedTest
  @EnumSource(
      value = Method.class,
      names = {"TIES", "BREADCRUMBS", "BREADCRUMBS_TIES"})
  void pruning(Method method) throws IOException {
    double[] w = {0.7, 1, -0.4};
    for (double density : new double[] {0, 0.013, 0.5, 0.9, 1}) {
      boolean ties = method == Method.TIES;
      List<double[]> deltas = deltas(3);
      deltas.replaceAll(
          d -> ties ? Formulas.largest(d, density) : Formulas.middle(d, density, 0.05));
      Merge merge =
          ties
              ? merge(method, true, 3, "weight", w, "density", density)
              : merge(method, true, 3, "weight", w, "density", density, "gamma", 0.05);
      double[] expected = Formulas.sum(base, deltas, w, method != Method.BREADCRUMBS, ties, 1.5);
      exact(expected, run(merge.set("lambda", 1.5)));
    }
  }

  @ParameterizedTest
  @EnumSource(
      value = Method.class,
      names = {"DARE_LINEAR", "DARE_TIES", "DELLA", "DELLA_LINEAR"})
  void chance(Method method) throws IOException {
    double[] w = {0.7, 1, 0.4};
    boolean dare = method == Method.DARE_LINEAR || method == Method.DARE_TIES;
    boolean election = method == Method.DARE_TIES || method == Method.DELLA;
    List<double[]> deltas = new ArrayList<>();
    for (int s = 0; s < 3; s++) {
      double[] d = Formulas.minus(sources.get(s), base);
      deltas.add(
          dare
              ? Formulas.random(d, 0.3, SEED, NAME, s)
              : Formulas.ranked(d, COLUMNS, 0.3, 0.1, SEED, NAME, s));
    }
    Merge merge =
        dare
            ? merge(method, true, 3, "weight", w, "density", 0.3)
            : merge(method, true, 3, "weight", w, "density", 0.3, "epsilon", 0.1);
    double[] out = run(merge);
    exact(Formulas.sum(base, deltas, w, election, method == Method.DELLA, 1), out);
    assertTrue(!java.util.Arrays.equals(out, run(merge.seed(8), MergeOptions.DEFAULT)));
  }

  /** What is kept has the share and, on average, the sum that it should have. */
  @Test
  void chanceIsFair() throws IOException {
    double[] out = run(merge(Method.DARE_LINEAR, true, 1, "density", 0.25));
    int kept = 0;
    double ratio = 0;
    for (int i = 0; i < N; i++) {
      double delta = sources.getFirst()[i] - base[i];
      kept += out[i] != base[i] ? 1 : 0;
      ratio += Math.abs(delta) > 0.1 ? (out[i] - base[i]) / delta : 1;
    }
    long moved = 0;
    for (int i = 0; i < N; i++) {
      moved += sources.getFirst()[i] != base[i] ? 1 : 0;
    }
    assertEquals(0.25, (double) kept / moved, 0.01); // three standard deviations are 0.0075
    assertEquals(1, ratio / N, 0.03);
  }

  @Test
  void selectCalculateErase() throws IOException {
    for (double share : new double[] {1, 0.4, 0.001, 0}) {
      near(
          Formulas.sce(base, sources, share),
          run(merge(Method.SCE, true, 3).set("select_topk", share)));
    }
  }

  @ParameterizedTest
  @EnumSource(
      value = StorageType.class,
      names = {"F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2"})
  void oneRoundingAtTheEnd(StorageType type) throws IOException {
    double[] from = row(11, 0.5, type);
    double[] a = row(12, 0.5, type);
    double[] b = row(13, 0.5, StorageType.BF16);
    Merge merge =
        Merge.dem(model("base", type, from))
            .add(model("a", type, a), 0.3)
            .add(model("b", StorageType.BF16, b), 0.6);
    double[] exact = Formulas.dem(from, List.of(a, b), 0.3, 0.6);
    double[] actual = run(merge);
    for (int i = 0; i < N; i++) {
      assertEquals(FloatCodec.rounded(exact[i], type), actual[i], "element " + i);
    }
  }

  @Test
  void badSettingsAreNamed() {
    Merge dem = merge(Method.DEM, true, 1, "weight", 1);
    var e = assertThrows(IllegalArgumentException.class, () -> dem.set("density", 0.5));
    assertTrue(e.toString().contains("dem has no setting 'density'"), e.toString());
    Merge ties = merge(Method.TIES, true, 1, "density", 1.5);
    e = assertThrows(IllegalArgumentException.class, () -> run(ties));
    assertTrue(e.toString().contains("density of source 1 is 1.5"), e.toString());
    Merge della = merge(Method.DELLA, true, 1, "density", 0.1);
    e = assertThrows(IllegalArgumentException.class, () -> run(della));
    assertTrue(e.toString().contains("epsilon 0.15"), e.toString());
    assertThrows(IllegalArgumentException.class, () -> Merge.of(Method.TIES, null));
  }
}
