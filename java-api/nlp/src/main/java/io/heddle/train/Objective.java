package io.heddle.train;

import io.heddle.autograd.Tape;
import io.heddle.tensor.Tensor;
import java.util.List;
import java.util.function.BiFunction;
import org.jspecify.annotations.Nullable;

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

  /**
   * The same as a function of tensors alone, which can be recorded and replayed; null when the host
   * has a say in between, or when no other batch is likely to be alike.
   *
   * @param gradScale as in {@link #run}
   */
  default @Nullable Repeatable repeatable(B batch, float gradScale) {
    return null;
  }

  /** Factor on the learning rate of the step that ends with this batch. */
  default float rate(B batch) {
    return 1;
  }

  /**
   * A step whose calls are those of every other step with an equal key and inputs of the same
   * lengths.
   *
   * @param key all that the host decides: shapes, scales, patterns
   * @param inputs contents of i32 tensors
   * @param losses from the tape and the tensors of {@code inputs} to the loss of every item, f32;
   *     copies nothing from or to the host once it has run on a tape that records
   * @param count number of items that are scored
   */
  record Repeatable(
      Object key,
      List<int[]> inputs,
      BiFunction<Tape, List<Tensor>, Tensor> losses,
      double count) {}

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
