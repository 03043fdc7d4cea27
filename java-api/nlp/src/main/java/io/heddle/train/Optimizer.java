package io.heddle.train;

import io.heddle.backend.Backend;
import io.heddle.backend.Repeated;
import io.heddle.nn.Parameters;
import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.tensor.DType;
import io.heddle.tensor.Scope;
import io.heddle.tensor.Tensor;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * Moves all parameters that are not frozen by a {@link Recipe.Rule}, after clipping the global
 * gradient norm. 16-bit parameters have an f32 master copy here. Gradients of scaled losses are
 * divided by the scale; a step in which they are not finite is skipped.
 */
public final class Optimizer implements AutoCloseable {
  private static final Params.None NONE = new Params.None();
  private static final int RATES = 3; // of a parameter

  private final TrainConfig config;
  private final Backend backend;
  private final Scope scope;
  private final Update update;
  private final Map<String, Update.Slot> slots = new LinkedHashMap<>();
  private final Tensor zero;
  private final List<Tensor> gradients; // whole blocks: one call for all gradients of a block
  private final Tensor squares;
  private final Tensor measures;
  private final Tensor norm;
  private final Tensor factor;
  private final Tensor rates; // f32 [slots, 3]
  private final @Nullable LossScale scale;
  private @Nullable Repeated recorded;

  /** State for {@code parameters}, which must be trainable. */
  public Optimizer(Parameters parameters, TrainConfig config) {
    this.config = config;
    this.backend = parameters.backend();
    this.scope = new Scope(backend.memory());
    this.update = Update.of(config.recipe().rule());
    this.zero = scope.tensor(DType.F32, 1).copyFrom(new float[1]);
    List<Tensor> free = parameters.unfrozen();
    this.gradients = List.copyOf(parameters.gradients());
    this.squares = scope.tensor(DType.F32, gradients.size());
    this.measures = zeros(2, free.size());
    this.rates = zeros(free.size(), RATES);
    this.norm = scope.tensor(DType.F32, 1);
    this.factor = scope.tensor(DType.F32, 1);
    Recipe.Scaling scaling = config.recipe().scaling();
    this.scale = scaling.wanted() ? new LossScale(scaling, scope) : null;
    for (Tensor p : free) {
      slots.put(String.valueOf(p.name()), slot(p, slots.size()));
    }
  }

  private Update.Slot slot(Tensor p, int at) {
    Tensor exact = p;
    if (p.dtype() != DType.F32) {
      exact = scope.tensor(DType.F32, p.shape());
      backend.run(OpCode.COPY, NONE, p, exact);
    }
    Map<String, Tensor> state = new TreeMap<>();
    update.kept(p.shape()).forEach((name, shape) -> state.put(name, zeros(shape)));
    return new Update.Slot(
        p,
        exact,
        gradient(p),
        state,
        measures.slice(0, 0, 1).view(measures.dim(1)).slice(0, at, at + 1),
        measures.slice(0, 1, 2).view(measures.dim(1)).slice(0, at, at + 1),
        rates.slice(0, at, at + 1).view(RATES),
        config.recipe().group(p),
        config.decayAll() || p.rank() > 1);
  }

  private Tensor zeros(long... shape) {
    Tensor tensor = scope.tensor(DType.F32, shape);
    backend.run(OpCode.COPY, NONE, zero.expand(shape), tensor);
    return tensor;
  }

  /**
   * One step at the rate of the configuration.
   *
   * @param step counted from 0
   * @return the global gradient norm before clipping
   */
  public float step(long step) {
    return step(step, 1);
  }

  /**
   * One step. Gradients are used up: what they hold afterwards is undefined.
   *
   * @param step counted from 0
   * @param share factor on the rate of the configuration
   * @return the global gradient norm before clipping; infinity where the step was skipped
   */
  public float step(long step, double share) {
    try (Scope scratch = new Scope(backend.memory())) {
      double rate = config.rate(step) * share;
      Update.At at = new Update.At(backend, config, step - skipped(), rate, factor, scratch);
      boolean told = tell(at);
      Repeated known = recorded;
      if (told && known != null && scale == null) {
        known.run();
      } else if (!measure()) {
        return Float.POSITIVE_INFINITY;
      } else if (told) {
        move(at);
      } else {
        clip(at);
        move(at);
        apply(at);
      }
    }
    return (float) norm.get(0);
  }

  /**
   * Whether steps whose calls are all alike are recorded and replayed, where the backend can: the
   * same parameters, bit for bit.
   */
  public void capture(boolean wanted) {
    Repeated known = recorded;
    if (known != null) {
      known.close();
    }
    Update.At any = new Update.At(backend, config, 0, 0, factor, scope);
    recorded = wanted ? new Repeated(backend, () -> measuredMove(any)) : null;
  }

  private void measuredMove(Update.At at) {
    if (measure()) {
      move(at);
    }
  }

  // Puts what differs from step to step where the kernels read it; false for a rule whose calls
  // say.
  private boolean tell(Update.At at) {
    float[] all = new float[slots.size() * RATES];
    int i = 0;
    for (Update.Slot slot : slots.values()) {
      float[] each = update.rates(slot, at);
      if (each == null) {
        return false;
      }
      System.arraycopy(each, 0, all, i, RATES);
      i += RATES;
    }
    rates.copyFrom(all);
    return true;
  }

  // The norm of all gradients, and what they are multiplied by; false where the step is skipped.
  private boolean measure() {
    for (int i = 0; i < gradients.size(); i++) {
      backend.run(OpCode.SUM_SQUARES, NONE, gradients.get(i), squares.slice(0, i, i + 1));
    }
    double scaled = lossScale();
    times(squares, 1 / (scaled * scaled));
    backend.run(OpCode.CLIP_FACTOR, new Params.Clip(config.clip()), squares, norm, factor);
    if (scale != null) {
      boolean overflow = !Float.isFinite((float) norm.get(0));
      scale.update(overflow);
      if (overflow) {
        return false;
      }
      times(factor, 1 / scaled);
    }
    return true;
  }

  // For rules whose ops do not take the factor.
  private void clip(Update.At at) {
    if (config.clip() > 0 || scale != null) {
      for (Update.Slot slot : slots.values()) {
        Tensor g = slot.gradient();
        at.binary(2, 1, g, 1, factor.expand(g.shape()), g);
      }
    }
  }

  private void move(Update.At at) {
    for (Update.Slot slot : slots.values()) {
      update.direct(slot, at);
    }
  }

  private void times(Tensor x, double factor) {
    if (scale != null) {
      backend.run(OpCode.UNARY, new Params.Unary(0, (float) factor, 0), x, x);
    }
  }

  /** What losses have to be multiplied by before the next {@link #step}. */
  public double lossScale() {
    return scale == null ? 1 : scale.factor();
  }

  /** Steps that were skipped because gradients were not finite. */
  public long skipped() {
    return scale == null ? 0 : scale.skipped();
  }

  private void apply(Update.At at) {
    float[] measured = measures.toFloats();
    int i = 0;
    for (Update.Slot slot : slots.values()) {
      update.apply(slot, at, measured[i], measured[slots.size() + i]);
      if (slot.exact() != slot.value()) {
        backend.run(OpCode.COPY, NONE, slot.exact(), slot.value());
      }
      i++;
    }
  }

  private static Tensor gradient(Tensor parameter) {
    Tensor grad = parameter.grad();
    if (grad == null) {
      throw new IllegalStateException(
          parameter + " has no gradient: call Parameters.trainable first");
    }
    return grad;
  }

  /** The parameters that are moved: f32, their masters where they are of 16 bits. */
  List<Tensor> exact() {
    return slots.values().stream().map(Update.Slot::exact).toList();
  }

  /** All state by name, for checkpoints: exact parameters and what the rule keeps. */
  public Map<String, Tensor> state() {
    Map<String, Tensor> all = new LinkedHashMap<>();
    slots.forEach(
        (name, slot) -> {
          all.put("parameter." + name, slot.exact());
          slot.state().forEach((kind, tensor) -> all.put(kind + "." + name, tensor));
        });
    if (scale != null) {
      all.put("loss_scale", scale.state());
    }
    return all;
  }

  /** The names of the parameters that are moved, in the order of {@link #exact}. */
  List<String> names() {
    return new ArrayList<>(slots.keySet());
  }

  /**
   * Brings the parameters to their masters, after the tensors of {@link #state} were overwritten.
   */
  public void restored() {
    if (scale != null) {
      scale.restored();
    }
    for (Update.Slot slot : slots.values()) {
      if (slot.exact() != slot.value()) {
        backend.run(OpCode.COPY, NONE, slot.exact(), slot.value());
      }
    }
  }

  @Override
  public void close() {
    capture(false);
    scope.close();
  }
}
