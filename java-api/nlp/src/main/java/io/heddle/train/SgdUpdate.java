package io.heddle.train;

import io.heddle.tensor.Tensor;
import java.util.Map;

/** Gradient descent, with or without momentum. */
record SgdUpdate(Recipe.Rule.Sgd rule) implements Update {
  @Override
  public Map<String, long[]> kept(long[] shape) {
    return rule.momentum() > 0 ? Map.of("momentum", shape) : Map.of();
  }

  @Override
  public void direct(Slot p, At at) {
    Tensor g = p.gradient();
    if (at.decay(p) != 0) {
      at.mix(g, 1, at.decay(p), p.exact());
    }
    if (rule.momentum() > 0) {
      Tensor sum = p.kept("momentum");
      at.mix(sum, rule.momentum(), 1, g);
      if (rule.nesterov()) {
        at.mix(g, 1, rule.momentum(), sum);
      }
    }
  }

  @Override
  public void apply(Slot p, At at, double first, double second) {
    boolean plain = rule.momentum() == 0 || rule.nesterov();
    at.mix(p.exact(), 1, -at.rate(p), plain ? p.gradient() : p.kept("momentum"));
  }
}
