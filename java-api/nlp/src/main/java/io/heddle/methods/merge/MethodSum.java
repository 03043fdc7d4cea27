package io.heddle.methods.merge;

import io.heddle.backend.Backend;
import io.heddle.checkpoint.merge.Method;
import io.heddle.checkpoint.merge.TensorMerge;
import io.heddle.models.Decoder;
import io.heddle.models.ModelFolder;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;

/**
 * Merge methods over models in a backend's memory, into a model there: what baselines such as TIES
 * are searched with.
 */
final class MethodSum implements AutoCloseable {
  private final Backend backend;
  private final Decoder base;
  private final List<Decoder> sources = new ArrayList<>();
  private final Decoder target;

  MethodSum(Path base, List<Path> sources, Backend backend) {
    this.backend = backend;
    this.target = ModelFolder.load(base, backend, DType.F32);
    this.base = ModelFolder.load(base, backend, DType.F32);
    for (Path source : sources) {
      this.sources.add(ModelFolder.load(source, backend, DType.F32));
    }
  }

  /**
   * The merged model; overwritten by the next call, closed with this.
   *
   * @param weight of each source
   */
  Decoder form(Method method, double weight, Map<String, Double> settings) {
    TensorMerge merge =
        new TensorMerge(
            backend,
            method,
            settings,
            Collections.nCopies(sources.size(), Map.of("weight", weight)),
            0);
    target
        .parameters()
        .byName()
        .forEach(
            (name, tensor) -> {
              List<Tensor> from = sources.stream().map(s -> s.parameters().get(name)).toList();
              merge.run(name, base.parameters().get(name), from, tensor);
            });
    return target;
  }

  @Override
  public void close() {
    target.close();
    sources.forEach(Decoder::close);
    base.close();
  }
}
