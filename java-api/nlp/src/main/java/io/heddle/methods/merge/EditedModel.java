package io.heddle.methods.merge;

import io.heddle.backend.Backend;
import io.heddle.models.Decoder;
import io.heddle.models.ModelFolder;
import io.heddle.tensor.DType;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.ToDoubleFunction;

/**
 * A Distribution Edited Model that sources come to and go from, in memory: base + sum_i w_i
 * (source_i - base). No model is trained and no file is written but by {@link #save}.
 *
 * <pre>{@code
 * try (EditedModel model = new EditedModel(base, backend, DType.F32)) {
 *   model.add("math", math, 0.6).add("code", code, 0.4);
 *   model.add("law", law, 0).search(m -> loss(m), 40);   // one more: the others stay as they are
 *   model.remove("code").save(out);
 * }
 * }</pre>
 */
public final class EditedModel implements AutoCloseable {
  private final Backend backend;
  private final DType dtype;
  private final Path folder;
  private final Decoder base;
  private final Decoder formed;
  private final Map<String, Source> sources = new LinkedHashMap<>();

  private record Source(Decoder model, double weight) {}

  /** A model that is its base, a model folder, until sources are added. */
  public EditedModel(Path base, Backend backend, DType dtype) {
    this.backend = backend;
    this.dtype = dtype;
    this.folder = base;
    this.base = ModelFolder.load(base, backend, dtype);
    this.formed = ModelFolder.load(base, backend, dtype);
  }

  /**
   * Adds a source.
   *
   * @param name what it is called here; none may have it yet
   * @param model folder of a model that was fine-tuned from the base
   * @param weight of its difference to the base
   */
  public EditedModel add(String name, Path model, double weight) {
    if (sources.containsKey(name)) {
      throw new IllegalArgumentException(
          "there is a source '" + name + "' already: remove it first");
    }
    Decoder loaded = ModelFolder.load(model, backend, dtype);
    try {
      sameShape(loaded, model);
    } catch (IllegalArgumentException e) {
      loaded.close();
      throw e;
    }
    sources.put(name, new Source(loaded, weight));
    return this;
  }

  private void sameShape(Decoder other, Path where) {
    base.parameters()
        .byName()
        .forEach(
            (name, tensor) -> {
              var its = other.parameters().byName().get(name);
              if (its == null || !java.util.Arrays.equals(its.shape(), tensor.shape())) {
                throw new IllegalArgumentException(
                    "%s is not fine-tuned from %s: parameter %s is %s there and %s in the base"
                        .formatted(where, folder, name, its, tensor));
              }
            });
  }

  /** Takes a source away; the others keep their weights. */
  public EditedModel remove(String name) {
    source(name);
    sources.remove(name).model.close();
    return this;
  }

  private Source source(String name) {
    Source source = sources.get(name);
    if (source == null) {
      throw new IllegalArgumentException(
          "there is no source '" + name + "'; there are: " + String.join(", ", sources.keySet()));
    }
    return source;
  }

  /** Sets the weight of a source. */
  public EditedModel weight(String name, double weight) {
    sources.put(name, new Source(source(name).model, weight));
    return this;
  }

  /** The weights by source, in the order of their coming. */
  public Map<String, Double> weights() {
    Map<String, Double> out = new LinkedHashMap<>();
    sources.forEach((name, source) -> out.put(name, source.weight));
    return out;
  }

  /** The merged model. It is overwritten by the next call of this class, and closed with it. */
  public Decoder model() {
    return with(sources.values().stream().mapToDouble(Source::weight).toArray());
  }

  /** The merged model with other weights, one per source; as {@link #model}. */
  public Decoder with(double... weights) {
    List<Decoder> models = new ArrayList<>();
    sources.values().forEach(source -> models.add(source.model));
    if (models.isEmpty()) {
      return new ModelSum(base, List.of(base), formed).form(0);
    }
    return new ModelSum(base, models, formed).form(weights);
  }

  /**
   * Sets the weights to the best that coordinate steps from the present ones find.
   *
   * @param objective of a merged model, e.g. its validation loss; the smallest is best
   * @param budget most models that are formed and scored
   * @return the search, with its best value and its number of evaluations
   */
  public CoefficientSearch search(ToDoubleFunction<Decoder> objective, int budget) {
    CoefficientSearch search =
        new CoefficientSearch(weights -> objective.applyAsDouble(with(weights)), budget);
    search.from(weights().values().stream().mapToDouble(Double::doubleValue).toArray());
    set(search.coordinates(0.4, 0.2, 0.1));
    return search;
  }

  /** Sets all weights, in the order of their coming. */
  public EditedModel set(double... weights) {
    if (weights.length != sources.size()) {
      throw new IllegalArgumentException(
          weights.length + " weights for " + sources.size() + " sources");
    }
    int i = 0;
    for (String name : List.copyOf(sources.keySet())) {
      weight(name, weights[i++]);
    }
    return this;
  }

  /** Writes the merged model in Hugging Face's layout, its weights in the metadata. */
  public void save(Path out) {
    Map<String, String> metadata = new LinkedHashMap<>();
    weights().forEach((name, weight) -> metadata.put("heddle.weight." + name, weight.toString()));
    ModelFolder.save(model(), out, metadata);
  }

  @Override
  public void close() {
    sources.values().forEach(source -> source.model.close());
    sources.clear();
    formed.close();
    base.close();
  }
}
