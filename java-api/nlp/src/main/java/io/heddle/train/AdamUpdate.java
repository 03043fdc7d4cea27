package io.heddle.train;

import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.tensor.Tensor;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Adam with decoupled decay: one fused kernel, clipping included. */
record AdamUpdate(Recipe.Rule.Adam rule) implements Update {
  @Override
  public Map<String, long[]> kept(long[] shape) {
    return Map.of("moment1", shape, "moment2", shape);
  }

  // As ops.def's adamw wants them: each of f32 numbers, formed in f64, rounded once.
  @Override
  public float[] rates(Slot p, At at) {
    TrainConfig c = at.config();
    double rate = at.rate(p);
    double first = rule.corrected() ? at.correction(c.beta1()) : 1;
    double second = rule.corrected() ? at.correction(c.beta2()) : 1;
    return new float[] {
      (float) (1 - rate * at.decay(p)), (float) (rate / first), (float) (1 / Math.sqrt(second))
    };
  }

  @Override
  public void direct(Slot p, At at) {
    TrainConfig c = at.config();
    Params params = new Params.Adamw(0, c.beta1(), c.beta2(), c.eps(), 0, 1, 1);
    @Nullable Tensor master = p.exact() == p.value() ? null : p.exact();
    at.backend()
        .run(
            OpCode.ADAMW,
            params,
            p.gradient(),
            at.factor(),
            p.rates(),
            p.value(),
            p.kept("moment1"),
            p.kept("moment2"),
            master);
  }

  @Override
  public void apply(Slot p, At at, double first, double second) {
    // The kernel has moved the parameter already.
  }
}
