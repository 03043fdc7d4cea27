package io.heddle.train;

import io.heddle.backend.Backend;
import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.tensor.Scope;
import io.heddle.tensor.Tensor;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A rule at work. A step has two parts, so that all norms it needs are read back at once: {@link
 * #direct} turns a parameter's gradient into a direction, {@link #apply} goes along it.
 */
interface Update {
  /** The shapes of what is kept for a parameter of this shape, by name; all f32, zero at first. */
  Map<String, long[]> kept(long[] shape);

  /**
   * Turns {@code p.gradient} into a direction; may write two sums of squares for {@link #apply}.
   */
  void direct(Slot p, At at);

  /**
   * Moves {@code p.exact}.
   *
   * @param first what {@link #direct} wrote to {@code p.first}
   * @param second to {@code p.second}
   */
  void apply(Slot p, At at, double first, double second);

  /**
   * The numbers of a step that {@link #direct} reads from {@code p.rates}, three of them, so that
   * its calls are the same for all steps; null where the calls themselves have them. A rule of the
   * first kind multiplies the clipping factor in and moves the parameter in {@link #direct}.
   */
  default float @Nullable [] rates(Slot p, At at) {
    return null;
  }

  /**
   * A parameter.
   *
   * @param value what the model computes with
   * @param exact f32: the same, or its master copy
   * @param gradient f32
   * @param state what the rule keeps
   * @param first f32 [1] for a sum of squares; likewise {@code second}
   * @param rates f32 [3], what {@link #rates} says of the step
   * @param group its rate and decay
   * @param decays whether weight decay applies
   */
  record Slot(
      Tensor value,
      Tensor exact,
      Tensor gradient,
      Map<String, Tensor> state,
      Tensor first,
      Tensor second,
      Tensor rates,
      Recipe.Group group,
      boolean decays) {
    Tensor kept(String name) {
      return java.util.Objects.requireNonNull(state.get(name));
    }
  }

  /**
   * Where a step is.
   *
   * @param step counted from 0
   * @param rate learning rate, before the groups' factors
   * @param factor f32 [1], the clipping factor
   * @param scratch memory of the step
   */
  record At(
      Backend backend, TrainConfig config, long step, double rate, Tensor factor, Scope scratch) {
    float rate(Slot p) {
      return (float) (rate * p.group.rate());
    }

    float decay(Slot p) {
      return p.decays ? config.weightDecay() * p.group.decay() : 0;
    }

    /** {@code 1 - beta^t}. */
    float correction(float beta) {
      return (float) (1 - Math.pow(beta, step + 1.0));
    }

    /** {@code out = f(alpha a, beta b)}; kinds as in {@code params.def}. */
    void binary(int kind, double alpha, Tensor a, double beta, Tensor b, Tensor out) {
      Params params = new Params.Binary(kind, (float) alpha, (float) beta);
      backend.run(OpCode.BINARY, params, a, b.expand(out.shape()), out);
    }

    /** {@code to = alpha to + beta x}. */
    void mix(Tensor to, double alpha, double beta, Tensor x) {
      binary(0, alpha, to, beta, x, to);
    }

    /** {@code out = f(scale x + shift)}; kinds as in {@code params.def}. */
    void unary(int kind, double scale, double shift, Tensor x, Tensor out) {
      backend.run(OpCode.UNARY, new Params.Unary(kind, (float) scale, (float) shift), x, out);
    }

    void sumSquares(Tensor x, Tensor out) {
      backend.run(OpCode.SUM_SQUARES, new Params.None(), x, out);
    }
  }

  /** The rule of a recipe. */
  static Update of(Recipe.Rule rule) {
    return switch (rule) {
      case Recipe.Rule.Adam adam -> new AdamUpdate(adam);
      case Recipe.Rule.Lamb lamb -> new LambUpdate(lamb);
      case Recipe.Rule.Adafactor adafactor -> new AdafactorUpdate(adafactor);
      case Recipe.Rule.Sgd sgd -> new SgdUpdate(sgd);
    };
  }
}
