package io.heddle.train;

import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import java.util.Map;

/** LAMB: Adam's direction, scaled so that a step is in proportion to the weights' norm. */
record LambUpdate(Recipe.Rule.Lamb rule) implements Update {
  @Override
  public Map<String, long[]> kept(long[] shape) {
    return Map.of("moment1", shape, "moment2", shape);
  }

  @Override
  public void direct(Slot p, At at) {
    TrainConfig c = at.config();
    Tensor m = p.kept("moment1");
    Tensor v = p.kept("moment2");
    Tensor g = p.gradient();
    Tensor root = at.scratch().tensor(DType.F32, g.shape());
    at.mix(m, c.beta1(), 1.0 - c.beta1(), g);
    at.unary(5, 1, 0, g, root);
    at.mix(v, c.beta2(), 1.0 - c.beta2(), root);
    if (rule.corrected()) {
      at.unary(3, 1.0 / at.correction(c.beta2()), c.eps(), v, root);
      at.binary(3, 1.0 / at.correction(c.beta1()), m, 1, root, g);
    } else {
      at.unary(3, 1, 0, v, root);
      at.unary(0, 1, c.eps(), root, root);
      at.binary(3, 1, m, 1, root, g);
    }
    at.mix(g, 1, at.decay(p), p.exact());
    at.sumSquares(p.exact(), p.first());
    at.sumSquares(g, p.second());
    at.scratch().free(root);
  }

  @Override
  public void apply(Slot p, At at, double weights, double direction) {
    double bounded = Math.clamp(Math.sqrt(weights), rule.lower(), rule.upper());
    double ratio = bounded == 0 || direction == 0 ? 1 : bounded / Math.sqrt(direction);
    at.mix(p.exact(), 1, -ratio * at.rate(p), p.gradient());
  }
}
