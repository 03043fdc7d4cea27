package io.heddle.checkpoint.merge;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.checkpoint.Checkpoint;
import io.heddle.checkpoint.FloatCodec;
import io.heddle.checkpoint.MemoryTensors;
import io.heddle.checkpoint.StorageType;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tensors of several tiles in several files, by many lanes or chunk by chunk. */
class LanesTest {
  private static final int RUN = RunSums.RUN;
  private static final long[] SIZES = {0, 1, RUN - 1, 4L * RUN, 4L * RUN + 1, 9L * RUN + 77, 3};

  @TempDir private Path folder = Path.of("");

  private static MemoryTensors model(long seed) {
    MemoryTensors out = new MemoryTensors();
    StorageType[] types = {StorageType.BF16, StorageType.F32, StorageType.F16, StorageType.F8_E4M3};
    for (StorageType type : types) {
      for (long size : SIZES) {
        SmallModels.add(out, type + "." + size, type, seed, size);
      }
    }
    SmallModels.add(out, "ids", StorageType.I32, 5, 6L * RUN + 1);
    return out;
  }

  private Checkpoint merged(Merge merge, String name, MergeOptions options) throws IOException {
    merge.options(options).writeTo(folder.resolve(name));
    return Checkpoint.open(folder.resolve(name));
  }

  @Test
  void lanesAndChunksGiveTheFormulaAndTheSameDigests() throws IOException {
    try (Checkpoint base = Checkpoint.of("base", model(1));
        Checkpoint a = Checkpoint.of("a", model(2));
        Checkpoint b = Checkpoint.of("b", model(3))) {
      Merge merge = Merge.dem(base).add(a, 0.3).add(b, 0.4);
      MergeOptions many = MergeOptions.DEFAULT.shardSize(1 << 20);
      MergeOptions chunks =
          many.maxMemory(1 << 20); // no tile of eight lanes fits, none of f32 at all
      assertTrue(merge.options(chunks).plan().memory() <= 1 << 20);
      try (Checkpoint one = merged(merge, "one", MergeOptions.DEFAULT);
          Checkpoint sharded = merged(merge, "sharded", many.threads(7));
          Checkpoint chunked = merged(merge, "chunked", chunks.threads(1))) {
        assertTrue(sharded.files().size() > 3);
        for (String name : base.names()) {
          MemorySegment bytes = one.segment(name);
          assertEquals(-1, bytes.mismatch(sharded.segment(name)), name);
          assertEquals(-1, bytes.mismatch(chunked.segment(name)), name);
          StorageType type = base.entry(name).type();
          if (!FloatCodec.has(type)) {
            assertEquals(-1, bytes.mismatch(base.segment(name)), name);
            continue;
          }
          List<double[]> sources =
              List.of(SmallModels.values(a, name), SmallModels.values(b, name));
          double[] expected = Formulas.dem(SmallModels.values(base, name), sources, 0.3, 0.4);
          for (int i = 0; i < expected.length; i++) {
            expected[i] = FloatCodec.rounded(expected[i], type);
          }
          assertArrayEquals(expected, SmallModels.values(one, name), name);
        }
        for (Checkpoint of : List.of(one, sharded, chunked)) {
          assertEquals(Digests.of(base), of.metadata().get("heddle.merge.base.digest"));
          assertEquals(Digests.of(b), of.metadata().get("heddle.merge.source.2.digest"));
        }
      }
    }
  }

  /** Of several, the first in the order of the tensors, whoever comes to it first. */
  @Test
  void theFirstBadNumberIsNamed() throws IOException {
    MemoryTensors tensors = new MemoryTensors();
    for (int i = 0; i < 6; i++) {
      MemorySegment values = MemorySegment.ofArray(new byte[4 * 5 * RUN]);
      for (long bad : new long[] {4L * RUN + 9, 4L * RUN + 11}) {
        values.setAtIndex(ValueLayout.JAVA_INT_UNALIGNED, bad, i >= 2 ? 0x7fc00000 : 0);
      }
      tensors.add("w" + i, StorageType.F32, values, 5L * RUN);
    }
    MergeOptions options = MergeOptions.DEFAULT.shardSize(1 << 20).threads(4);
    try (Checkpoint model = Checkpoint.of("bad", tensors)) {
      for (int round = 0; round < 10; round++) {
        Merge merge = Merge.dem(model).add(model, 1).options(options);
        var e =
            assertThrows(
                IllegalArgumentException.class, () -> merge.writeTo(folder.resolve("out")));
        String first = "tensor \"w2\": element " + (4 * RUN + 9);
        assertTrue(e.toString().contains(first), e.toString());
      }
    }
    assertFalse(Files.exists(folder.resolve(".out.merging")));
  }

  @Test
  void sumsDoNotDependOnTheOrder() {
    long elements = 5L * RUN + 99;
    byte[] bytes = new byte[(int) (2 * elements)];
    new Random(1).nextBytes(bytes);
    MemorySegment all = MemorySegment.ofArray(bytes);
    RunSums whole = new RunSums(StorageType.BF16, elements);
    whole.update(0, all);
    RunSums parts = new RunSums(StorageType.BF16, elements); // as chunks come
    for (long at = 0; at < all.byteSize(); at += 70_002) {
      assertFalse(parts.isWhole());
      parts.update(at, all.asSlice(at, Math.min(70_002, all.byteSize() - at)));
    }
    RunSums backwards = new RunSums(StorageType.BF16, elements); // as lanes come
    List<Long> runs = new ArrayList<>(List.of(4L, 2L, 0L));
    for (long run : runs) {
      long at = run * 2 * RUN;
      backwards.update(at, all.asSlice(at, Math.min(4L * RUN, all.byteSize() - at)));
    }
    assertTrue(whole.isWhole() && parts.isWhole() && backwards.isWhole());
    assertEquals(whole.digest(), parts.digest());
    assertEquals(whole.digest(), backwards.digest());
    bytes[3 * RUN] ^= 1;
    RunSums other = new RunSums(StorageType.BF16, elements);
    other.update(0, all);
    assertFalse(other.digest().equals(whole.digest()));
  }
}
