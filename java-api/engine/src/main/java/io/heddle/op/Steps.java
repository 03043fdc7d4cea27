package io.heddle.op;

import io.heddle.autograd.Tape;
import io.heddle.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;

/** Steps of a time-major sequence [T*N, F], one by one: where each needs what the last one gave. */
public final class Steps {
  private static final Params.None NONE = new Params.None();

  private Steps() {}

  /**
   * The steps of {@code x}, [N, F] each: views of it, whose gradients are gathered into one of x.
   *
   * @param rows N
   */
  public static List<Tensor> apart(Tape t, Tensor x, long rows) {
    List<Tensor> all = new ArrayList<>();
    for (long at = 0; at < x.dim(0); at += rows) {
      all.add(x.slice(0, at, at + rows));
    }
    if (t.wants(x)) {
      all.forEach(step -> step.requiresGrad(true));
      t.record(() -> gather(t, x, all));
    }
    return all;
  }

  private static void gather(Tape t, Tensor x, List<Tensor> steps) {
    if (steps.stream().allMatch(step -> t.gradient(step) == null)) {
      return;
    }
    Tensor dx = t.tensor(x.dtype(), x.shape());
    long at = 0;
    for (Tensor step : steps) {
      Tensor into = dx.slice(0, at, at + step.dim(0));
      Tensor gradient = t.gradient(step);
      if (gradient == null) {
        Layers.fill(t, into, 0);
      } else {
        t.run(OpCode.COPY, NONE, gradient, into);
        t.scope().free(gradient);
        step.grad(null);
      }
      at += step.dim(0);
    }
    t.give(x, dx);
  }

  /** Steps [N, F] one after the other, [T*N, F]. */
  public static Tensor together(Tape t, List<Tensor> steps) {
    Tensor first = steps.getFirst();
    long rows = first.dim(0);
    Tensor y = t.tensor(first.dtype(), rows * steps.size(), first.dim(1));
    for (int i = 0; i < steps.size(); i++) {
      t.run(OpCode.COPY, NONE, steps.get(i), y.slice(0, i * rows, (i + 1) * rows));
    }
    if (t.wants(steps.toArray(new Tensor[0]))) {
      t.record(
          () -> {
            Tensor dy = t.gradient(y);
            for (int i = 0; dy != null && i < steps.size(); i++) {
              if (steps.get(i).requiresGrad()) {
                Tensor d = t.tensor(first.dtype(), first.shape());
                t.run(OpCode.COPY, NONE, dy.slice(0, i * rows, (i + 1) * rows), d);
                t.give(steps.get(i), d);
              }
            }
          },
          y);
    }
    return y;
  }
}
