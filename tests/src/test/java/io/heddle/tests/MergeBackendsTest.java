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
import io.heddle.checkpoint.merge.Method;
import io.heddle.checkpoint.merge.TensorMerge;
import io.heddle.tensor.DType;
import io.heddle.tensor.Scope;
import io.heddle.tensor.Storage;
import io.heddle.tensor.Tensor;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Merges have the same bytes from every backend as from plain Java. */
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

  // A third of the elements as in the base: differences that are zero, and equal ones.
  private static Checkpoint tuned(Arena arena, Checkpoint base, long seed, int n)
      throws IOException {
    MemoryTensors out = new MemoryTensors();
    Random random = new Random(seed);
    for (String name : base.names()) {
      StorageType type = base.entry(name).type();
      MemorySegment bytes = arena.allocate((long) n * type.bits() / 8, 64);
      base.read(name, 0, bytes);
      double[] values = new double[n];
      FloatCodec.decode(bytes, 0, type, values, n);
      for (int i = 0; i < n; i++) {
        values[i] += random.nextInt(3) == 0 ? 0 : Math.round(64 * random.nextGaussian()) / 256.0;
      }
      FloatCodec.encode(values, bytes, 0, type, n);
      out.add(name, type, bytes, n);
    }
    return Checkpoint.of("tuned " + seed, out);
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

  private static final List<Map.Entry<Method, Map<String, Double>>> METHODS =
      List.of(
          Map.entry(Method.TIES, Map.of("density", 0.3, "lambda", 0.7)),
          Map.entry(Method.TIES, Map.of("density", 1.0)),
          Map.entry(Method.TIES, Map.of("density", 0.0)),
          Map.entry(Method.DARE_LINEAR, Map.of("density", 0.3, "weight", 0.4)),
          Map.entry(Method.DARE_TIES, Map.of("density", 0.5, "normalize", 1.0)),
          Map.entry(Method.BREADCRUMBS, Map.of("density", 0.6, "gamma", 0.1)),
          Map.entry(Method.BREADCRUMBS_TIES, Map.of("density", 0.9)),
          Map.entry(Method.MODEL_STOCK, Map.of()),
          Map.entry(Method.TASK_ARITHMETIC, Map.of("weight", 0.3)));

  private static final Map<Method, Map<String, Double>> WITHOUT_BASE =
      Map.of(
          Method.SLERP, Map.of("t", 0.3),
          Method.NUSLERP, Map.of(),
          Method.KARCHER, Map.of(),
          Method.LINEAR, Map.of("weight", 0.6));

  @ParameterizedTest
  @MethodSource("backends")
  void sameBytesOfEveryMethod(String name) throws IOException {
    int n = 270_011; // more than one tile of each type
    try (Backend backend = Backends.open(name);
        Arena arena = Arena.ofShared()) {
      MemoryTensors tensors = new MemoryTensors();
      Random random = new Random(1);
      for (StorageType type : TYPES.subList(0, 4)) {
        MemorySegment bytes = arena.allocate((long) n * type.bits() / 8, 64);
        FloatCodec.encode(random.doubles(n, -1, 1).toArray(), bytes, 0, type, n);
        tensors.add(type.toString(), type, bytes, n);
      }
      try (Checkpoint base = Checkpoint.of("base", tensors);
          Checkpoint a = tuned(arena, base, 2, n);
          Checkpoint b = tuned(arena, base, 3, n)) {
        METHODS.forEach(m -> same(backend, arena, m.getKey(), m.getValue(), base, a, b));
        WITHOUT_BASE.forEach(
            (method, settings) -> same(backend, arena, method, settings, null, a, b));
      }
    }
  }

  private static void same(
      Backend backend,
      Arena arena,
      Method method,
      Map<String, Double> settings,
      @Nullable Checkpoint base,
      Checkpoint... sources) {
    Merge merge = Merge.of(method, base).seed(5);
    settings.forEach(merge::set);
    List.of(sources).forEach(merge::add);
    TensorMerge ours =
        new TensorMerge(
            backend, method, settings, Collections.nCopies(sources.length, Map.of()), 5);
    try (Scope scope = new Scope(backend.memory())) {
      Map<String, MemorySegment> expected = run(merge, arena);
      Map<String, MemorySegment> found =
          run(merge.options(MergeOptions.DEFAULT.backend(backend)), arena);
      for (String tensor : expected.keySet()) {
        Tensor out = brought(backend, scope, arena, sources[0], tensor);
        ours.run(
            tensor,
            base == null ? null : brought(backend, scope, arena, base, tensor),
            Stream.of(sources).map(s -> brought(backend, scope, arena, s, tensor)).toList(),
            out);
        Tensor back = host(arena, out.dtype(), out.size());
        backend.transfer(out, back);
        backend.synchronize();
        assertEquals(-1, expected.get(tensor).mismatch(back.segment()), method + " " + tensor);
        assertEquals(-1, expected.get(tensor).mismatch(found.get(tensor)), method + " " + tensor);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static Tensor host(Arena arena, DType dtype, long n) {
    return Tensor.of(
        Storage.host(arena.allocate(n * dtype.bytes(), 64), address -> {}), 0, dtype, n);
  }

  private static Tensor brought(
      Backend backend, Scope scope, Arena arena, Checkpoint from, String name) {
    try {
      DType dtype = Objects.requireNonNull(from.entry(name).type().dtype());
      Tensor here = host(arena, dtype, from.entry(name).elements());
      from.read(name, 0, here.segment());
      Tensor there = scope.tensor(dtype, here.size());
      backend.transfer(here, there);
      return there;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
