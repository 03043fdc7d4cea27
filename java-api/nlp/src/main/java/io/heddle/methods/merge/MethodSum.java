package io.heddle.methods.merge;

import io.heddle.backend.Backend;
import io.heddle.checkpoint.Checkpoint;
import io.heddle.checkpoint.MemoryTensors;
import io.heddle.checkpoint.StorageType;
import io.heddle.checkpoint.merge.Merge;
import io.heddle.checkpoint.merge.Method;
import io.heddle.models.Decoder;
import io.heddle.models.ModelFolder;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Any of the engine's merge methods over models in memory, into a model in memory: what baselines
 * such as TIES are searched with.
 */
final class MethodSum implements AutoCloseable {
  private final Arena arena = Arena.ofShared();
  private final Checkpoint base;
  private final List<Checkpoint> sources = new ArrayList<>();
  private final Decoder target;
  private final Map<String, MemorySegment> out = new LinkedHashMap<>();

  MethodSum(Path base, List<Path> sources, Backend backend) {
    this.target = ModelFolder.load(base, backend, DType.F32);
    this.base = inMemory(base, backend);
    for (Path source : sources) {
      this.sources.add(inMemory(source, backend));
    }
    for (Map.Entry<String, Tensor> e : target.parameters().byName().entrySet()) {
      out.put(e.getKey(), arena.allocate(4 * e.getValue().size(), 64));
    }
  }

  private Checkpoint inMemory(Path folder, Backend backend) {
    MemoryTensors tensors = new MemoryTensors();
    try (Decoder model = ModelFolder.load(folder, backend, DType.F32)) {
      for (Map.Entry<String, Tensor> e : model.parameters().byName().entrySet()) {
        // Through an array, so that it does not matter on which device the model is.
        MemorySegment copy = arena.allocateFrom(ValueLayout.JAVA_FLOAT, e.getValue().toFloats());
        tensors.add(e.getKey(), StorageType.F32, copy, e.getValue().shape());
      }
    }
    return Checkpoint.of(folder.toString(), tensors);
  }

  /** The merged model; overwritten by the next call, closed with this. */
  Decoder form(Method method, double weight, Map<String, Double> settings) {
    Merge merge = Merge.of(method, base);
    sources.forEach(source -> merge.add(source, weight));
    settings.forEach(merge::set);
    try {
      merge.writeInto(out);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    target
        .parameters()
        .byName()
        .forEach(
            (name, tensor) -> {
              MemorySegment formed = out.get(name);
              if (formed != null) {
                tensor.copyFrom(formed.toArray(ValueLayout.JAVA_FLOAT));
              }
            });
    return target;
  }

  @Override
  public void close() {
    target.close();
    sources.forEach(Checkpoint::close);
    base.close();
    arena.close();
  }
}
