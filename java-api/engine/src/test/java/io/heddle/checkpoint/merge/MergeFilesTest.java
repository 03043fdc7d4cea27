package io.heddle.checkpoint.merge;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.backend.reference.ReferenceBackend;
import io.heddle.checkpoint.Checkpoint;
import io.heddle.checkpoint.FloatCodec;
import io.heddle.checkpoint.MemoryTensors;
import io.heddle.checkpoint.SafetensorsFile;
import io.heddle.checkpoint.StorageType;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Merges of files and folders: bytes, shards, interruptions. */
class MergeFilesTest {
  private final Path folder;
  private final Path out;

  MergeFilesTest(@TempDir Path folder) {
    this.folder = folder;
    this.out = folder.resolve("out.safetensors");
  }

  private Path save(String name, MemoryTensors tensors) throws IOException {
    Path file = folder.resolve(name);
    try (Checkpoint from = Checkpoint.of(name, tensors)) {
      Merge.of(Method.PASSTHROUGH, null).add(from).writeTo(file);
    }
    return file;
  }

  private static Merge dem(Checkpoint base, Checkpoint a, Checkpoint b) {
    return Merge.dem(base).add(a, 0.4).add(b, 0.6);
  }

  @Test
  void everyTensorIsTheFormulaRoundedOnce() throws IOException {
    Path base = save("base.safetensors", SmallModels.model(1));
    Path a = save("a", SmallModels.model(2));
    Path b = save("b.safetensors", SmallModels.model(3));
    try (Checkpoint models = Checkpoint.open(base);
        Checkpoint first = Checkpoint.open(a);
        Checkpoint second = Checkpoint.open(b)) {
      Merge merge = dem(models, first, second);
      merge.writeTo(out);
      merge.options(MergeOptions.DEFAULT.shardSize(20_000)).writeTo(folder.resolve("sharded"));
      try (Checkpoint one = Checkpoint.open(out);
          Checkpoint many = Checkpoint.open(folder.resolve("sharded"))) {
        assertEquals(models.names().size(), one.names().size());
        for (String name : models.names()) {
          assertEquals(-1, one.segment(name).mismatch(many.segment(name)), name);
          StorageType type = models.entry(name).type();
          if (!FloatCodec.has(type)) {
            assertEquals(-1, one.segment(name).mismatch(models.segment(name)), name);
            continue;
          }
          double[] x = SmallModels.values(models, name);
          double[] expected =
              Formulas.dem(
                  x,
                  List.of(SmallModels.values(first, name), SmallModels.values(second, name)),
                  0.4,
                  0.6);
          for (int i = 0; i < expected.length; i++) {
            expected[i] = FloatCodec.rounded(expected[i], type);
          }
          assertArrayEquals(expected, SmallModels.values(one, name), name);
        }
        assertEquals("a weight=0.4", one.metadata().get("heddle.merge.source.1"));
        assertEquals(Digests.of(models), one.metadata().get("heddle.merge.base.digest"));
        assertEquals(Digests.of(first), many.metadata().get("heddle.merge.source.1.digest"));
      }
    }
    List<String> shards = names(folder.resolve("sharded"));
    assertTrue(shards.size() > 3, shards.toString());
    assertEquals(
        "model-00001-of-0000%d.safetensors".formatted(shards.size() - 1), shards.getFirst());
    assertTrue(shards.contains("model.safetensors.index.json"));
    for (String shard : shards.subList(0, shards.size() - 1)) {
      assertTrue(Files.size(folder.resolve("sharded").resolve(shard)) < 30_000, shard);
    }
  }

  private static List<String> names(Path folder) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.map(f -> f.getFileName().toString()).sorted().toList();
    }
  }

  @Test
  void neitherMemoryNorThreadsNorBackendChangeAByte() throws IOException {
    try (Checkpoint base = SmallModels.open("base", 1);
        Checkpoint a = SmallModels.open("a", 2);
        Checkpoint b = SmallModels.open("b", 3);
        ReferenceBackend reference = new ReferenceBackend()) {
      byte[] first = null;
      for (MergeOptions options :
          List.of(
              MergeOptions.DEFAULT,
              MergeOptions.DEFAULT.threads(1).maxMemory(1 << 20),
              MergeOptions.DEFAULT.threads(7).maxMemory(500_000),
              MergeOptions.DEFAULT.backend(reference))) {
        dem(base, a, b).options(options).writeTo(out);
        byte[] bytes = Files.readAllBytes(out);
        first = first == null ? bytes : first;
        assertArrayEquals(first, bytes);
      }
    }
    assertEquals(List.of("out.safetensors"), names(folder));
  }

  @Test
  void weightsByLayerAndByName() throws IOException {
    Setting weight = Setting.filter("mlp", 0, 1).where("attn", 0.5).otherwise(0.25);
    try (Checkpoint base = SmallModels.open("base", 1);
        Checkpoint a = SmallModels.open("a", 2)) {
      MergePlan plan = Merge.dem(base).add(a, Map.of("weight", weight)).plan();
      assertEquals("base + 0.5 (a - base)", plan.explain("model.layers.1.mlp.weight"));
      assertEquals("base + 1 (a - base)", plan.explain("model.layers.2.mlp.weight"));
      assertEquals("base + 0.5 (a - base)", plan.explain("model.layers.2.attn.weight"));
      assertEquals("base + 0.25 (a - base)", plan.explain("scalar"));
      assertEquals("copied from base", plan.explain("all.I32"));
      assertTrue(plan.toText().contains("reads "), plan.toText());
    }
    assertEquals(weight, Setting.parse("mlp:[0,1];attn:0.5;0.25"));
    assertThrows(IllegalArgumentException.class, () -> Setting.parse("0.3x"));
    assertThrows(IllegalArgumentException.class, () -> Setting.of(Double.NaN));
  }

  private Checkpoint merged(Merge merge) throws IOException {
    merge.writeTo(out);
    return Checkpoint.open(out);
  }

  @Test
  void typesThatArithmeticDoesNotKnow() throws IOException {
    MemoryTensors a = new MemoryTensors();
    SmallModels.add(a, "q", StorageType.F4, 1, 64);
    MemoryTensors b = new MemoryTensors();
    SmallModels.add(b, "q", StorageType.F4, 2, 64);
    try (Checkpoint one = Checkpoint.of("one", a);
        Checkpoint two = Checkpoint.of("two", b)) {
      Merge.dem(one).add(one, 1).writeTo(out);
      Files.delete(out);
      var e =
          assertThrows(
              IllegalArgumentException.class, () -> Merge.dem(one).add(two, 1).writeTo(out));
      assertTrue(e.toString().contains("\"q\" is F4, which cannot be combined"), e.toString());
    }
    assertEquals(List.of(), names(folder));
  }

  @Test
  void configurationAndTokenizerAreCopied() throws IOException {
    Path base = folder.resolve("base");
    save("base", SmallModels.model(1));
    Files.writeString(base.resolve("config.json"), "{\"torch_dtype\": \"float32\", \"x\": 1}");
    Files.writeString(base.resolve("tokenizer.json"), "{}");
    Files.writeString(base.resolve("README.md"), "no");
    Path merged = folder.resolve("merged");
    try (Checkpoint model = Checkpoint.open(base)) {
      Merge.dem(model).add(model, 1).dtype(StorageType.BF16).writeTo(merged);
    }
    assertEquals(List.of("config.json", "model.safetensors", "tokenizer.json"), names(merged));
    assertEquals(
        "{\"torch_dtype\": \"bfloat16\", \"x\": 1}",
        Files.readString(merged.resolve("config.json")));
    Files.writeString(merged.resolve("model-00001-of-00002.safetensors"), "old");
    try (Checkpoint model = Checkpoint.open(base)) {
      var e = assertThrows(IOException.class, () -> Merge.dem(model).add(model, 1).writeTo(merged));
      assertTrue(
          e.toString().contains("model-00001-of-00002.safetensors: is in the way"), e.toString());
    }
  }

  @Test
  void theOutputMayReplaceAnInput() throws IOException {
    Path file = save("one.safetensors", SmallModels.model(1));
    try (Checkpoint one = Checkpoint.open(file);
        Checkpoint two = SmallModels.open("two", 2)) {
      Merge.dem(one).add(two, 1).writeTo(file);
      try (Checkpoint result = Checkpoint.open(file)) {
        assertArrayEquals(
            SmallModels.values(two, "scalar"), SmallModels.values(result, "scalar"), 1e-15);
      }
    }
  }

  @Test
  void intoMemoryOfTheCallers() throws IOException {
    try (Checkpoint base = SmallModels.open("base", 1);
        Checkpoint a = SmallModels.open("a", 2)) {
      Merge merge = Merge.dem(base).add(a, 0.5);
      Map<String, MemorySegment> memory = new TreeMap<>();
      for (TensorPlan tensor : merge.plan().tensors()) {
        memory.put(tensor.name(), MemorySegment.ofArray(new byte[(int) tensor.bytes()]));
      }
      merge.writeInto(memory);
      merge.writeTo(out);
      try (SafetensorsFile file = SafetensorsFile.open(out)) {
        memory.forEach((name, bytes) -> assertEquals(-1, bytes.mismatch(file.segment(name)), name));
      }
      memory.put("scalar", MemorySegment.ofArray(new byte[4]));
      assertThrows(IllegalArgumentException.class, () -> merge.writeInto(memory));
    }
  }

  /** Fails in the middle, as a full disk would; then goes on. */
  @Test
  void anInterruptedMergeGoesOn() throws IOException {
    try (Checkpoint base = SmallModels.open("base", 1);
        Checkpoint a = SmallModels.open("a", 2)) {
      Merge merge = Merge.dem(base).add(a, 0.5);
      merge.writeTo(out);
      byte[] expected = Files.readAllBytes(out);
      Files.delete(out);
      for (int failAt : new int[] {3, 12, 25}) {
        stop(merge, failAt);
        assertFalse(Files.exists(out));
        assertEquals(List.of(".out.safetensors.merging"), names(folder));
      }
      // A tensor that was damaged meanwhile is made again.
      Path partial = folder.resolve(".out.safetensors.merging/out.safetensors");
      byte[] damaged = Files.readAllBytes(partial);
      damaged[damaged.length / 3] ^= 1;
      Files.write(partial, damaged);
      MergeResult result = merge.options(MergeOptions.DEFAULT).writeTo(out);
      assertTrue(result.bytesReused() > 0);
      assertArrayEquals(expected, Files.readAllBytes(out));
      assertEquals(List.of("out.safetensors"), names(folder));

      Files.delete(out);
      stop(merge, 12);
      MergeResult other =
          Merge.dem(base).add(a, 0.25).writeTo(out); // nothing of another merge is used
      assertEquals(0, other.bytesReused());
    }
  }

  private void stop(Merge merge, int steps) {
    int[] left = {steps};
    MergeOptions options =
        MergeOptions.DEFAULT
            .threads(1)
            .progress(
                (done, total) -> {
                  if (--left[0] == 0) {
                    throw new IllegalStateException("stopped");
                  }
                });
    assertThrows(IllegalStateException.class, () -> merge.options(options).writeTo(out));
  }

  @Test
  void changedAndShortenedInputsAreRefused() throws IOException {
    Path file = save("one.safetensors", SmallModels.model(1));
    try (Checkpoint one = Checkpoint.open(file);
        Checkpoint two = SmallModels.open("two", 2)) {
      Merge merge = Merge.dem(one).add(two, 1);
      merge.options(
          MergeOptions.DEFAULT.progress(
              (done, total) -> {
                try {
                  Files.setLastModifiedTime(file, FileTime.fromMillis(1));
                } catch (IOException e) {
                  throw new java.io.UncheckedIOException(e);
                }
              }));
      var e = assertThrows(IOException.class, () -> merge.writeTo(out));
      assertTrue(e.toString().contains("was changed while it was read"), e.toString());
      assertFalse(Files.exists(out));
    }
    try (Checkpoint one = Checkpoint.open(file);
        Checkpoint two = SmallModels.open("two", 2)) {
      Merge merge = Merge.dem(one).add(two, 1);
      try (var channel = Files.newByteChannel(file, java.nio.file.StandardOpenOption.WRITE)) {
        channel.truncate(Files.size(file) / 2);
      }
      var e = assertThrows(IOException.class, () -> merge.writeTo(out));
      assertTrue(e.toString().contains("became shorter while it was read"), e.toString());
      assertFalse(Files.exists(out));
    }
  }

  @Test
  void badNumbersAreNamed() throws IOException {
    for (double bad : new double[] {Double.NaN, Double.POSITIVE_INFINITY}) {
      MemoryTensors tensors = new MemoryTensors();
      byte[] bytes = new byte[80_000];
      ByteBuffer.wrap(bytes)
          .order(java.nio.ByteOrder.LITTLE_ENDIAN)
          .putFloat(4 * 13_333, (float) bad);
      tensors.add("w", StorageType.F32, MemorySegment.ofArray(bytes), 20_000);
      try (Checkpoint model = Checkpoint.of("bad", tensors)) {
        for (Merge merge :
            List.of(Merge.dem(model).add(model, 1), Merge.of(Method.TIES, model).add(model, 1))) {
          var e = assertThrows(IllegalArgumentException.class, () -> merge.writeTo(out));
          assertTrue(e.toString().contains("tensor \"w\": element 13333 of "), e.toString());
        }
      }
    }
    MemoryTensors large = new MemoryTensors();
    byte[] bytes =
        ByteBuffer.allocate(8).order(java.nio.ByteOrder.LITTLE_ENDIAN).putDouble(1e6).array();
    large.add("w", StorageType.F64, MemorySegment.ofArray(bytes), 1);
    try (Checkpoint model = Checkpoint.of("large", large)) {
      Merge merge = Merge.linear().add(model, 1).dtype(StorageType.F16);
      var e = assertThrows(IllegalArgumentException.class, () -> merge.writeTo(out));
      assertTrue(e.toString().contains("is NaN or infinite as F16"), e.toString());
    }
    assertEquals(List.of(), names(folder));
  }

  @Test
  void zeroWeightsGiveTheBaseBitForBit() throws IOException {
    try (Checkpoint base = SmallModels.open("base", 1);
        Checkpoint a = SmallModels.open("a", 2);
        Checkpoint result = merged(Merge.dem(base).add(a, 0))) {
      for (String name : new ArrayList<>(base.names())) {
        assertEquals(-1, base.segment(name).mismatch(result.segment(name)), name);
      }
    }
  }

  @Test
  void rowsThatDoNotFitTheMemory() throws IOException {
    MemoryTensors tensors = new MemoryTensors();
    SmallModels.add(tensors, "w", StorageType.F32, 1, 100_000);
    try (Checkpoint model = Checkpoint.of("m", tensors)) {
      Merge merge =
          Merge.of(Method.DELLA, model)
              .add(model, 1)
              .set("density", 0.5)
              .options(MergeOptions.DEFAULT.maxMemory(1 << 20));
      var e = assertThrows(IllegalArgumentException.class, () -> merge.writeTo(out));
      assertTrue(e.toString().contains("raise --max-memory"), e.toString());
    }
  }
}
