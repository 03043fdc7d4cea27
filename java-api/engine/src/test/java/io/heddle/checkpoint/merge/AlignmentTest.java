package io.heddle.checkpoint.merge;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.checkpoint.Checkpoint;
import io.heddle.checkpoint.MemoryTensors;
import io.heddle.checkpoint.StorageType;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Models that differ in their tensors, and layers of several models in one. */
class AlignmentTest {
  private final Path out;

  AlignmentTest(@TempDir Path folder) {
    this.out = folder.resolve("out.safetensors");
  }

  private static Merge dem(Checkpoint base, Checkpoint a, Checkpoint b) {
    return Merge.dem(base).add(a, 0.4).add(b, 0.6);
  }

  private static MemoryTensors words(long seed, long rows, boolean head) {
    MemoryTensors out = new MemoryTensors();
    SmallModels.add(out, "model.embed_tokens.weight", StorageType.F32, seed, rows, 4);
    if (head) {
      SmallModels.add(out, "lm_head.weight", StorageType.F32, seed + 50, rows, 4);
    }
    return out;
  }

  private static String refused(Merge merge) {
    return assertThrows(IllegalArgumentException.class, merge::plan).toString();
  }

  private Checkpoint merged(Merge merge) throws IOException {
    merge.writeTo(out);
    return Checkpoint.open(out);
  }

  @Test
  void vocabularies() throws IOException {
    try (Checkpoint base = Checkpoint.of("base", words(1, 5, true));
        Checkpoint more = Checkpoint.of("more", words(2, 7, true));
        Checkpoint less = Checkpoint.of("less", words(3, 4, true))) {
      String why = refused(dem(base, more, less));
      assertTrue(
          why.contains("\"model.embed_tokens.weight\" is F32 [5, 4] in base and F32 [7, 4]"), why);
      Merge cut = dem(base, more, less).align(policy(Alignment.Vocabulary.BASE));
      String name = "lm_head.weight";
      double[] x = SmallModels.values(base, name);
      double[] m = SmallModels.values(more, name);
      double[] l = SmallModels.values(less, name);
      try (Checkpoint result = merged(cut)) {
        double[] y = SmallModels.values(result, name);
        assertEquals(20, y.length);
        for (int i = 0; i < 20; i++) {
          double own = i < 16 ? l[i] : x[i];
          assertEquals((float) (x[i] + 0.4 * (m[i] - x[i]) + 0.6 * (own - x[i])), y[i]);
        }
      }
      Merge grown = dem(base, more, less).align(policy(Alignment.Vocabulary.EXTEND));
      try (Checkpoint result = merged(grown)) {
        double[] y = SmallModels.values(result, name);
        assertEquals(28, y.length);
        assertArrayEquals(
            java.util.Arrays.copyOfRange(m, 20, 28), java.util.Arrays.copyOfRange(y, 20, 28));
      }
      assertTrue(
          grown.plan().report().stream().anyMatch(r -> r.contains("rows 5 to 6")),
          grown.plan().report().toString());
    }
  }

  private static Alignment policy(Alignment.Vocabulary vocabulary) {
    return new Alignment(
        Alignment.Missing.ERROR, Alignment.Extra.ERROR, Alignment.Tied.ERROR, vocabulary);
  }

  @Test
  void tiedHeads() throws IOException {
    try (Checkpoint base = Checkpoint.of("base", words(1, 5, false));
        Checkpoint a = Checkpoint.of("a", words(2, 5, true))) {
      String why = refused(Merge.dem(base).add(a, 1));
      assertTrue(why.contains("base has no tensor \"lm_head.weight\""), why);
      assertTrue(why.contains("tied"), why);
      Merge untied =
          Merge.dem(base)
              .add(a, 0.5)
              .align(
                  new Alignment(
                      Alignment.Missing.ERROR,
                      Alignment.Extra.ERROR,
                      Alignment.Tied.UNTIE,
                      Alignment.Vocabulary.ERROR));
      try (Checkpoint result = merged(untied)) {
        double x = SmallModels.values(base, "model.embed_tokens.weight")[3];
        double y = SmallModels.values(a, "lm_head.weight")[3];
        assertEquals((float) (x + 0.5 * (y - x)), SmallModels.values(result, "lm_head.weight")[3]);
      }
      Merge other = Merge.dem(a).add(base, 1);
      assertTrue(refused(other).contains("base has no tensor \"lm_head.weight\""));
    }
  }

  @Test
  void missingAndExtraTensors() throws IOException {
    MemoryTensors small = new MemoryTensors();
    SmallModels.add(small, "a", StorageType.F32, 1, 3);
    MemoryTensors large = new MemoryTensors();
    SmallModels.add(large, "a", StorageType.F32, 2, 3);
    SmallModels.add(large, "b", StorageType.F32, 3, 3);
    try (Checkpoint less = Checkpoint.of("less", small);
        Checkpoint more = Checkpoint.of("more", large)) {
      Merge extra = Merge.dem(less).add(more, 1);
      assertTrue(refused(extra).contains("less has no tensor \"b\", which more has"));
      extra.align(with(Alignment.Missing.ERROR, Alignment.Extra.DROP));
      assertEquals(1, extra.plan().tensors().size());
      assertEquals(List.of("more: extra tensor \"b\" left out"), extra.plan().report());
      extra.align(with(Alignment.Missing.ERROR, Alignment.Extra.COPY));
      try (Checkpoint result = merged(extra)) {
        assertArrayEquals(SmallModels.values(more, "b"), SmallModels.values(result, "b"));
      }
      Merge missing = Merge.dem(more).add(less, 1);
      assertTrue(refused(missing).contains("less has no tensor \"b\", which more has"));
      missing.align(with(Alignment.Missing.BASE, Alignment.Extra.ERROR));
      try (Checkpoint result = merged(missing)) {
        assertArrayEquals(SmallModels.values(more, "b"), SmallModels.values(result, "b"));
        assertArrayEquals(SmallModels.values(less, "a"), SmallModels.values(result, "a"), 1e-7);
      }
    }
  }

  private static Alignment with(Alignment.Missing missing, Alignment.Extra extra) {
    return new Alignment(missing, extra, Alignment.Tied.ERROR, Alignment.Vocabulary.ERROR);
  }

  @Test
  void layersOnTopOfEachOther() throws IOException {
    try (Checkpoint a = SmallModels.open("a", 1);
        Checkpoint b = SmallModels.open("b", 2)) {
      Merge merge = Merge.of(Method.PASSTHROUGH, null).add(a).add(b);
      merge.slice(java.util.Arrays.asList(new int[] {0, 2}, null), Map.of());
      merge.slice(
          java.util.Arrays.asList(null, new int[] {1, 3}), Map.of("scale", Setting.of(0.5)));
      try (Checkpoint result = merged(merge)) {
        assertEquals(4, LayerNames.layers(result.names()));
        String mlp = "model.layers.%d.mlp.weight";
        assertArrayEquals(
            SmallModels.values(a, mlp.formatted(1)), SmallModels.values(result, mlp.formatted(1)));
        double[] half =
            java.util.Arrays.stream(SmallModels.values(b, mlp.formatted(2)))
                .map(x -> x / 2)
                .toArray();
        assertArrayEquals(half, SmallModels.values(result, mlp.formatted(3)));
        assertArrayEquals(
            SmallModels.values(a, "model.embed_tokens.weight"),
            SmallModels.values(result, "model.embed_tokens.weight"));
      }
      assertThrows(
          IllegalArgumentException.class,
          () -> merge.slice(java.util.Arrays.asList(new int[] {0, 2}, new int[] {0, 1}), Map.of()));
    }
  }
}
