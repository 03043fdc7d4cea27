package io.heddle.train;

import io.heddle.autograd.Tape;

/**
 * What a method minimises.
 *
 * @param <B> a batch
 */
@FunctionalInterface
public interface Objective<B> {
  /**
   * Runs the model on a batch and adds its gradients when the tape is backed. Who writes to a
   * parameter's gradient by hand asks {@link Tape#kept} first: its content may be undefined.
   *
   * @param gradScale factor on the gradient of the mean loss
   * @return sum of losses and their number
   */
  Loss run(Tape t, B batch, float gradScale);

  /** Factor on the learning rate of the step that ends with this batch. */
  default float rate(B batch) {
    return 1;
  }

  /**
   * A loss over many items.
   *
   * @param sum in nats
   * @param count number of items
   */
  record Loss(double sum, double count) {
    /** The mean; NaN when there was none. */
    public double mean() {
      return sum / count;
    }

    /** Both together. */
    public Loss plus(Loss other) {
      return new Loss(sum + other.sum, count + other.count);
    }
  }
}
