package io.heddle.checkpoint.merge;

import io.heddle.backend.Backend;
import io.heddle.tensor.Tensor;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A merge of tensors that lie in a backend's memory, by its ops: the numbers that {@link Merge}
 * writes, without a file or a copy between. For models that stay where they are while many merges
 * of them are tried.
 *
 * <p>Elements must be finite; what NaN and infinities lead to is not said.
 */
public final class TensorMerge {
  private final Backend backend;
  private final Method method;
  private final Map<String, Double> settings;
  private final List<Map<String, Double>> sources = new ArrayList<>();
  private final long seed;

  /**
   * A merge by one method.
   *
   * @param settings of the merge and of all sources; what is not there has the method's default
   * @param sources the same for each source alone, which count more
   * @param seed of the random methods
   * @throws IllegalArgumentException when the method does not take so many sources
   */
  public TensorMerge(
      Backend backend,
      Method method,
      Map<String, Double> settings,
      List<Map<String, Double>> sources,
      long seed) {
    method.checkCount(sources.size());
    this.backend = backend;
    this.method = method;
    this.settings = over(method.settings(), settings);
    for (Map<String, Double> source : sources) {
      this.sources.add(over(over(method.sourceSettings(), settings), source));
    }
    this.seed = seed;
  }

  // Settings without a default are NaN until somebody sets them; a task knows only those that are.
  private static Map<String, Double> over(Map<String, Double> under, Map<String, Double> more) {
    Map<String, Double> all = new HashMap<>(under);
    all.values().removeIf(value -> value.isNaN());
    all.putAll(more);
    return Map.copyOf(all);
  }

  /**
   * Merges one tensor.
   *
   * @param name of the tensor: random methods have numbers of its own for each
   * @param base contiguous, of any float type; null for methods without a base
   * @param from the sources' tensors, of the base's size, in the order of their settings
   * @param out takes the result; may be the base or a source of its own type
   * @throws IllegalArgumentException when a setting is missing or out of its range
   * @throws UnsupportedOperationException when the backend has no ops for the method
   */
  public void run(String name, @Nullable Tensor base, List<Tensor> from, Tensor out) {
    if (from.size() != sources.size()) {
      throw new IllegalArgumentException(
          "tensor " + name + ": " + from.size() + " sources, expected " + sources.size());
    }
    Task task = new Task(name, out.shape(), settings, sources, base != null, seed, 1);
    Kernel kernel = method.kernel(task);
    if (!BackendMerge.has(backend, kernel)) {
      throw new UnsupportedOperationException(
          "backend " + backend.name() + " has no ops for the merge method " + method.id());
    }
    try (TensorOps ops = new TensorOps(backend, base, from, out)) {
      kernel.run(ops, 0);
    }
  }
}
