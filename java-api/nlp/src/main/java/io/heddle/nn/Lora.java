package io.heddle.nn;

import io.heddle.backend.Backend;
import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.tensor.Scope;
import io.heddle.tensor.Tensor;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;

/**
 * Low-rank adapters (Hu et al. 2022): {@code W + alpha/r B A} with A [r, in] random and B [out, r]
 * zero at first. The model's own parameters are frozen; an optimiser sees the adapters alone.
 */
public final class Lora {
  static final String DOWN = ".lora_a";
  static final String UP = ".lora_b";

  private Lora() {}

  /**
   * Adds adapters and freezes everything else.
   *
   * @param pattern a regular expression for whole names of linear layers, as {@code .*\\.(qkv|out)}
   * @param rank r
   * @param alpha the adapters' sum is multiplied by alpha / r
   * @return the names of the layers that got one
   */
  public static List<String> attach(
      Parameters p, String pattern, int rank, float alpha, long seed) {
    p.needExact("given adapters");
    Pattern layers = Pattern.compile(pattern);
    List<String> names =
        p.byName().entrySet().stream()
            .filter(e -> e.getKey().endsWith(".weight") && e.getValue().rank() == 2)
            .map(e -> e.getKey().substring(0, e.getKey().length() - ".weight".length()))
            .filter(name -> !name.endsWith("embed") && !name.endsWith("positions"))
            .filter(name -> layers.matcher(name).matches())
            .toList();
    if (names.isEmpty()) {
      throw new IllegalArgumentException(
          "no linear layer's name matches '" + pattern + "'; names are like layers.0.qkv");
    }
    if (rank < 1) {
      throw new IllegalArgumentException("rank " + rank + " must be at least 1");
    }
    p.freeze(".*");
    p.loraScale(alpha / rank);
    for (String name : names) {
      Tensor w = p.get(name + ".weight");
      p.normal(name + DOWN, 1 / Math.sqrt((double) w.dim(1)), seed, rank, w.dim(1));
      p.constant(name + UP, 0, w.dim(0), rank);
    }
    return names;
  }

  /** The adapters by name, to be saved. */
  public static Map<String, Tensor> adapters(Parameters p) {
    Map<String, Tensor> out = new LinkedHashMap<>();
    p.byName()
        .forEach(
            (name, value) -> {
              if (name.endsWith(DOWN) || name.endsWith(UP)) {
                out.put(name, value);
              }
            });
    return out;
  }

  /** Adds the adapters into the weights and removes them: the model is what it was, but tuned. */
  public static void merge(Parameters p) {
    Backend backend = p.backend();
    for (String adapter : List.copyOf(adapters(p).keySet())) {
      if (!adapter.endsWith(DOWN)) {
        continue;
      }
      String name = adapter.substring(0, adapter.length() - DOWN.length());
      Tensor w = p.get(name + ".weight");
      try (Scope scope = new Scope(backend.memory())) {
        Tensor delta = scope.tensor(w.dtype(), w.shape());
        backend.matmul(p.get(name + UP), p.get(name + DOWN), null, delta, p.loraScale(), 0);
        backend.run(OpCode.BINARY, new Params.Binary(0, 1, 1), w, delta, w);
      }
      p.remove(name + DOWN);
      p.remove(name + UP);
    }
    p.thaw();
  }
}
