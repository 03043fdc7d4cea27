package io.heddle.checkpoint.merge;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.heddle.checkpoint.Checkpoint;
import io.heddle.checkpoint.FloatCodec;
import io.heddle.checkpoint.MemoryTensors;
import io.heddle.checkpoint.StorageType;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** mergekit's formulas as numpy computes them: tests/golden/make_merge.py. */
class MergeGoldenTest {
  private static final double[] WEIGHTS = {0.7, 1, 0.4};

  private static Path golden() {
    for (Path p = Path.of("").toAbsolutePath(); p != null; p = p.getParent()) {
      Path file = p.resolve("tests/golden/merge/merge.safetensors");
      if (Files.exists(file)) {
        return file;
      }
    }
    return Assumptions.abort("not run inside the repository");
  }

  private static Checkpoint model(Checkpoint golden, String name) throws IOException {
    long[] shape = golden.entry(name).shape();
    return Checkpoint.of(
        name, new MemoryTensors().add("w", StorageType.F32, golden.segment(name), shape));
  }

  @ParameterizedTest
  @CsvSource({
    "task_arithmetic, 3, lambda=0.9",
    "linear, 3, normalize=1",
    "slerp, 2, t=0.3",
    "nuslerp, 2, nuslerp_flatten=1",
    "karcher, 3, max_iter=10",
    "ties, 3, lambda=0.9 density=0.4",
    "breadcrumbs, 3, lambda=0.9 density=0.6 gamma=0.05",
    "breadcrumbs_ties, 3, lambda=0.9 density=0.6 gamma=0.05",
    "model_stock, 3, filter_wise=0",
    "sce, 3, select_topk=0.5"
  })
  void agreesWithNumpy(String name, int count, String settings) throws IOException {
    Method method = Method.of(name);
    try (Checkpoint golden = Checkpoint.open(golden())) {
      boolean based = method.needsBase() || method == Method.NUSLERP;
      Merge merge = Merge.of(method, based ? model(golden, "base") : null);
      for (int i = 0; i < count; i++) {
        boolean weighted = method.sourceSettings().containsKey("weight");
        merge.add(
            model(golden, "source" + i),
            weighted ? Map.of("weight", Setting.of(WEIGHTS[i])) : Map.of());
      }
      for (String setting : settings.split(" ", -1)) {
        String[] parts = setting.split("=", -1);
        merge.set(parts[0], Double.parseDouble(parts[1]));
      }
      int n = (int) golden.entry(name).elements();
      MemorySegment out = MemorySegment.ofArray(new byte[8 * n]);
      merge.dtype(StorageType.F64).writeInto(Map.of("w", out));
      double[] expected = new double[n];
      double[] actual = new double[n];
      FloatCodec.decode(golden.segment(name), 0, StorageType.F64, expected, n);
      FloatCodec.decode(out, 0, StorageType.F64, actual, n);
      for (int i = 0; i < n; i++) {
        assertEquals(expected[i], actual[i], 1e-12, "element " + i); // sums in another order
      }
    }
  }
}
