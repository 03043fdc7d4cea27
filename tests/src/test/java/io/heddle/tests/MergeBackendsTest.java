package io.heddle.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.heddle.backend.Backend;
import io.heddle.backend.Backends;
import io.heddle.checkpoint.Checkpoint;
import io.heddle.checkpoint.FloatCodec;
import io.heddle.checkpoint.MemoryTensors;
import io.heddle.checkpoint.StorageType;
import io.heddle.checkpoint.merge.Merge;
import io.heddle.checkpoint.merge.MergeOptions;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Linear combinations have the same bytes from every backend as from plain Java. */
class MergeBackendsTest {
  private static final List<StorageType> TYPES =
      List.of(
          StorageType.F64, StorageType.F32, StorageType.F16, StorageType.BF16, StorageType.F8_E4M3);
  private static final int N = 70_001;

  static Stream<String> backends() {
    return BackendsUnderTest.names();
  }

  // One tensor for each pair of types: the base's and the sources'.
  private static Checkpoint model(Arena arena, String label, long seed, boolean base) {
    MemoryTensors out = new MemoryTensors();
    Random random = new Random(seed);
    for (StorageType first : TYPES) {
      for (StorageType second : TYPES) {
        StorageType type = base ? first : second;
        MemorySegment bytes = arena.allocate((long) N * type.bits() / 8, 64);
        double[] values = random.doubles(N, -1, 1).toArray();
        values[7] = -0.0;
        FloatCodec.encode(values, bytes, 0, type, N);
        out.add(first + " " + second, type, bytes, N);
      }
    }
    return Checkpoint.of(label, out);
  }

  private static Map<String, MemorySegment> run(Merge merge, Arena arena) throws IOException {
    Map<String, MemorySegment> out = new TreeMap<>();
    for (var tensor : merge.plan().tensors()) {
      out.put(tensor.name(), arena.allocate(tensor.bytes(), 64));
    }
    merge.writeInto(out);
    return out;
  }

  @ParameterizedTest
  @MethodSource("backends")
  void sameBytes(String name) throws IOException {
    try (Backend backend = Backends.open(name);
        Arena arena = Arena.ofShared();
        Checkpoint base = model(arena, "base", 1, true);
        Checkpoint a = model(arena, "a", 2, false);
        Checkpoint b = model(arena, "b", 3, false)) {
      for (Merge merge :
          List.of(
              Merge.dem(base).add(a, 0.4).add(b, -1.3),
              Merge.dem(base).add(a, 0).add(b, 0),
              Merge.linear().add(a, 1e-3).add(b, 0.7),
              Merge.average(List.of(base, a, b)))) {
        Map<String, MemorySegment> expected = run(merge, arena);
        Map<String, MemorySegment> found =
            run(merge.options(MergeOptions.DEFAULT.backend(backend)), arena);
        expected.forEach((key, bytes) -> assertEquals(-1, bytes.mismatch(found.get(key)), key));
      }
    }
  }
}
