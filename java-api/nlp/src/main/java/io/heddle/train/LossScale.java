package io.heddle.train;

import io.heddle.tensor.DType;
import io.heddle.tensor.Scope;
import io.heddle.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;

/**
 * The factor on losses that keeps f16 gradients away from zero (Micikevicius et al. 2018), with
 * GluonNLP's rules: a step whose gradients are not finite is skipped; the factor is halved when
 * such steps are one in a hundred since it last changed, and doubled after 2000 steps without one.
 */
final class LossScale {
  private static final double TOLERANCE = 0.01;
  private static final long CLEAN = 2000;

  private final Recipe.Scaling rule;
  private final Tensor state; // i64: what a checkpoint holds
  private double factor;
  private long steps;
  private long changed = -1; // the step of the last change
  private long overflowed = -1; // the last step that was skipped
  private long overflows; // since the last change
  private long skipped;

  LossScale(Recipe.Scaling rule, Scope scope) {
    this.rule = rule;
    this.factor = rule.first();
    this.state = scope.tensor(DType.I64, 6);
  }

  /** The factor on the next step's losses. */
  double factor() {
    return factor;
  }

  /** Steps that have been skipped so far. */
  long skipped() {
    return skipped;
  }

  /**
   * Notes a step.
   *
   * @param overflow whether its gradients were not finite
   */
  void update(boolean overflow) {
    if (overflow) {
      overflowed = steps;
      overflows++;
      skipped++;
      if (rule.dynamic() && overflows >= TOLERANCE * (steps - changed)) {
        change(factor / 2);
      }
    } else if (rule.dynamic() && (steps - overflowed) % CLEAN == 0) {
      change(factor * 2);
    }
    steps++;
  }

  private void change(double to) {
    if (to < 1) {
      throw new IllegalStateException(
          "gradients are not finite even with a loss scale of "
              + factor
              + ": lower the learning rate, or train in bf16 or f32");
    }
    factor = to;
    changed = steps;
    overflows = 0;
  }

  /** What a checkpoint holds of it, as it is now. */
  Tensor state() {
    return state.copyFrom(
        new long[] {
          Double.doubleToLongBits(factor), steps, changed, overflowed, overflows, skipped
        });
  }

  /** Goes on from what {@link #state} was overwritten with. */
  void restored() {
    try (Arena arena = Arena.ofConfined()) {
      long[] held = state.onHost(arena).toArray(ValueLayout.JAVA_LONG_UNALIGNED);
      factor = Double.longBitsToDouble(held[0]);
      steps = held[1];
      changed = held[2];
      overflowed = held[3];
      overflows = held[4];
      skipped = held[5];
    }
  }
}
