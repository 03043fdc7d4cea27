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

  @Override
  public boolean clips() {
    return true;
  }

  @Override
  public void direct(Slot p, At at) {
    TrainConfig c = at.config();
    Params params =
        new Params.Adamw(
            at.rate(p),
            c.beta1(),
            c.beta2(),
            c.eps(),
            at.decay(p),
            rule.corrected() ? at.correction(c.beta1()) : 1,
            rule.corrected() ? at.correction(c.beta2()) : 1);
    @Nullable Tensor master = p.exact() == p.value() ? null : p.exact();
    at.backend()
        .run(
            OpCode.ADAMW,
            params,
            p.gradient(),
            at.factor(),
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
