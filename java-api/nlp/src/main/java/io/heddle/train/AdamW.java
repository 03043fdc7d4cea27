package io.heddle.train;

import io.heddle.backend.Backend;
import io.heddle.nn.Parameters;
import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.tensor.DType;
import io.heddle.tensor.Scope;
import io.heddle.tensor.Tensor;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * AdamW (Loshchilov &amp; Hutter 2019) over all parameters, with the clipping of the global
 * gradient norm fused in. 16-bit parameters have an f32 master copy here.
 */
public final class AdamW implements AutoCloseable {
  private final Parameters parameters;
  private final TrainConfig config;
  private final Backend backend;
  private final Scope scope;
  private final Map<String, Tensor> first = new LinkedHashMap<>();
  private final Map<String, Tensor> second = new LinkedHashMap<>();
  private final Map<String, Tensor> masters = new LinkedHashMap<>();
  private final Tensor zero;
  private final Tensor squares;
  private final Tensor norm;
  private final Tensor factor;

  /** State for {@code parameters}, which must be trainable. */
  public AdamW(Parameters parameters, TrainConfig config) {
    this.parameters = parameters;
    this.config = config;
    this.backend = parameters.backend();
    this.scope = new Scope(backend.memory());
    this.zero = scope.tensor(DType.F32, 1).copyFrom(new float[1]);
    for (Tensor p : parameters.unfrozen()) {
      String name = String.valueOf(p.name());
      first.put(name, zeros(p));
      second.put(name, zeros(p));
      if (p.dtype() != DType.F32) {
        Tensor master = scope.tensor(DType.F32, p.shape());
        backend.run(OpCode.COPY, new Params.None(), p, master);
        masters.put(name, master);
      }
    }
    this.squares = scope.tensor(DType.F32, first.size());
    this.norm = scope.tensor(DType.F32, 1);
    this.factor = scope.tensor(DType.F32, 1);
  }

  private Tensor zeros(Tensor like) {
    Tensor tensor = scope.tensor(DType.F32, like.shape());
    backend.run(OpCode.COPY, new Params.None(), zero.expand(like.shape()), tensor);
    return tensor;
  }

  /**
   * One step.
   *
   * @param step counted from 0
   * @return the global gradient norm before clipping
   */
  public float step(long step) {
    int i = 0;
    for (Tensor p : parameters.unfrozen()) {
      backend.run(OpCode.SUM_SQUARES, new Params.None(), gradient(p), squares.slice(0, i, i + 1));
      i++;
    }
    backend.run(OpCode.CLIP_FACTOR, new Params.Clip(config.clip()), squares, norm, factor);
    for (Tensor p : parameters.unfrozen()) {
      String name = String.valueOf(p.name());
      boolean decays = config.decayAll() || p.rank() > 1;
      Params.Adamw params =
          new Params.Adamw(
              config.rate(step),
              config.beta1(),
              config.beta2(),
              config.eps(),
              decays ? config.weightDecay() : 0,
              (float) (1 - Math.pow(config.beta1(), step + 1.0)),
              (float) (1 - Math.pow(config.beta2(), step + 1.0)));
      backend.run(
          OpCode.ADAMW,
          params,
          gradient(p),
          factor,
          p,
          first.get(name),
          second.get(name),
          masters.get(name));
    }
    return (float) norm.get(0);
  }

  private static Tensor gradient(Tensor parameter) {
    Tensor grad = parameter.grad();
    if (grad == null) {
      throw new IllegalStateException(
          parameter + " has no gradient: call Parameters.trainable first");
    }
    return grad;
  }

  /** The exact values of a parameter: its f32 master, or itself. */
  public Tensor exact(Tensor parameter) {
    @Nullable Tensor master = masters.get(String.valueOf(parameter.name()));
    return master == null ? parameter : master;
  }

  /** All state by name, for checkpoints: exact parameters and both moments. */
  public Map<String, Tensor> state() {
    Map<String, Tensor> all = new LinkedHashMap<>();
    for (Tensor p : parameters.unfrozen()) {
      all.put("parameter." + p.name(), exact(p));
      all.put("moment1." + p.name(), first.get(String.valueOf(p.name())));
      all.put("moment2." + p.name(), second.get(String.valueOf(p.name())));
    }
    return all;
  }

  /**
   * Brings the parameters to their restored masters, after the tensors of {@link #state} were
   * overwritten.
   */
  public void restored() {
    for (Tensor p : parameters.unfrozen()) {
      Tensor exact = exact(p);
      if (exact != p) {
        backend.run(OpCode.COPY, new Params.None(), exact, p);
      }
    }
  }

  @Override
  public void close() {
    scope.close();
  }
}
