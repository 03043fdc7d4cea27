package io.heddle.methods.merge;

import io.heddle.models.Decoder;
import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.tensor.DType;
import io.heddle.tensor.Scope;
import io.heddle.tensor.Tensor;
import java.util.List;

/**
 * Weighted differences of models in memory, {@code target = base + sum_i w_i (source_i - base)}:
 * what a coefficient search evaluates, with no checkpoint written.
 */
public final class ModelSum {
  private final Decoder base;
  private final List<Decoder> sources;
  private final Decoder target;

  /** All models must have one shape; {@code target} is overwritten by each {@link #form}. */
  public ModelSum(Decoder base, List<Decoder> sources, Decoder target) {
    this.base = base;
    this.sources = List.copyOf(sources);
    this.target = target;
  }

  /** Forms the sum with these weights, one per source, and gives the model that holds it. */
  public Decoder form(double... weights) {
    if (weights.length != sources.size()) {
      throw new IllegalArgumentException(
          weights.length + " weights for " + sources.size() + " sources");
    }
    try (Scope scope = new Scope(target.backend().memory())) {
      Tensor w = scope.tensor(DType.F64, weights.length).copyFrom(weights);
      for (String name : target.parameters().byName().keySet()) {
        Tensor[] tensors = new Tensor[sources.size() + 3];
        tensors[0] = base.parameters().get(name);
        tensors[1] = w;
        for (int i = 0; i < sources.size(); i++) {
          tensors[2 + i] = sources.get(i).parameters().get(name);
        }
        tensors[tensors.length - 1] = target.parameters().get(name);
        target.backend().run(OpCode.LINEAR_COMBINATION, new Params.None(), tensors);
      }
    }
    return target;
  }
}
