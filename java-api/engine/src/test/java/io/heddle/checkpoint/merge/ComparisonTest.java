package io.heddle.checkpoint.merge;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.checkpoint.Checkpoint;
import io.heddle.checkpoint.FloatCodec;
import io.heddle.checkpoint.MemoryTensors;
import io.heddle.checkpoint.StorageType;
import io.heddle.checkpoint.merge.Comparison.Vectors;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.stream.DoubleStream;
import org.junit.jupiter.api.Test;

/** Lengths, cosines and counts against plain arithmetic on flattened arrays. */
class ComparisonTest {
  private static final int[] SIZES = {10_000, 333, 1};

  private static double[][] values(long seed, double scale) {
    Random random = new Random(seed);
    double[][] out = new double[SIZES.length][];
    for (int t = 0; t < SIZES.length; t++) {
      out[t] = random.doubles(SIZES[t], -scale, scale).map(x -> (float) x).toArray();
    }
    return out;
  }

  private static double[][] plus(double[][] a, double[][] b) {
    double[][] out = new double[a.length][];
    for (int t = 0; t < a.length; t++) {
      double[] x = a[t];
      double[] y = b[t];
      out[t] = new double[x.length];
      Arrays.setAll(out[t], i -> (float) (x[i] + (i % 4 == 0 ? 0 : y[i])));
    }
    return out;
  }

  private static Checkpoint model(String label, double[][] values) {
    MemoryTensors out = new MemoryTensors();
    for (int t = 0; t < values.length; t++) {
      byte[] bytes = new byte[4 * values[t].length];
      FloatCodec.encode(
          values[t], MemorySegment.ofArray(bytes), 0, StorageType.F32, values[t].length);
      out.add("h." + t + ".w", StorageType.F32, MemorySegment.ofArray(bytes), values[t].length);
    }
    out.add("ids", StorageType.I32, MemorySegment.ofArray(new byte[8]), 2);
    return Checkpoint.of(label, out);
  }

  private static double[] flat(double[][] values) {
    return Arrays.stream(values).flatMapToDouble(DoubleStream::of).toArray();
  }

  @Test
  void oneVectorPerModel() throws IOException {
    double[][] base = values(1, 1);
    double[][] a = plus(base, values(2, 0.1));
    double[][] b = plus(base, values(3, 0.3));
    Comparison found;
    try (Checkpoint x = model("base", base);
        Checkpoint y = model("a", a);
        Checkpoint z = model("b", b)) {
      found = Comparison.of(x, List.of(y, z), Alignment.STRICT, MergeOptions.DEFAULT);
      Comparison again =
          Comparison.of(
              x,
              List.of(y, z),
              Alignment.STRICT,
              MergeOptions.DEFAULT.threads(3).maxMemory(600_000));
      assertEquals(found.total().cosine(0, 1), again.total().cosine(0, 1)); // to the last bit
      assertEquals(found.total().norm(1), again.total().norm(1));
    }
    double[] da = Formulas.minus(flat(a), flat(base));
    double[] db = Formulas.minus(flat(b), flat(base));
    double lengthA = Math.sqrt(Formulas.dot(da, da));
    double lengthB = Math.sqrt(Formulas.dot(db, db));
    Vectors total = found.total();
    assertEquals(lengthA, total.norm(0), 1e-12 * lengthA);
    assertEquals(lengthB, total.norm(1), 1e-12 * lengthB);
    assertEquals(Formulas.dot(da, db) / lengthA / lengthB, total.cosine(0, 1), 1e-13);
    assertEquals(1, total.cosine(1, 1));
    double[] apart = Formulas.minus(da, db);
    assertEquals(Math.sqrt(Formulas.dot(apart, apart)), total.distance(0, 1), 1e-11);
    double[] all = flat(base);
    assertEquals(Math.sqrt(Formulas.dot(all, all)), total.baseNorm(), 1e-11);
    long conflicts = 0;
    long same = 0;
    long[] sizes = new long[64];
    for (int i = 0; i < da.length; i++) {
      conflicts += da[i] * db[i] < 0 ? 1 : 0;
      same += da[i] == 0 ? 1 : 0;
      if (da[i] != 0) {
        sizes[48 + (int) Math.floor(Math.log(Math.abs(da[i])) / Math.log(2))]++;
      }
    }
    assertEquals((double) conflicts / da.length, total.signConflicts());
    assertEquals((double) same / da.length, total.unchanged(0));
    assertArrayEquals(sizes, total.histogram(0));
    assertEquals(da.length, total.elements());

    assertEquals(3, found.layers().size());
    Vectors first = Objects.requireNonNull(found.tensors().get("h.0.w"));
    Vectors second = Objects.requireNonNull(found.layers().get(1));
    assertNotEquals(first.cosine(0, 1), total.cosine(0, 1));
    assertEquals(333, second.elements());
    assertTrue(second.norm(0) < first.norm(0));
  }

  @Test
  void aModelThatIsTheBase() throws IOException {
    try (Checkpoint base = model("base", values(1, 1))) {
      Vectors total =
          Comparison.of(base, List.of(base, base), Alignment.STRICT, MergeOptions.DEFAULT).total();
      assertEquals(0, total.norm(0));
      assertEquals(1, total.unchanged(1));
      assertTrue(Double.isNaN(total.cosine(0, 1)));
    }
  }
}
