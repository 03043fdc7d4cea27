package io.heddle.backend;

import io.heddle.backend.collective.Collective;
import io.heddle.backend.collective.Meeting;
import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.tensor.Memory;
import io.heddle.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * Runs ops. The contract of each is the comment above its row in {@code ops.def}; {@code reference}
 * executes that contract slowly and plainly, and every other backend is tested against it. Backends
 * are safe for use by many threads.
 */
public interface Backend extends AutoCloseable {
  /** Short name: {@code reference}, {@code cpu}, {@code cuda}. */
  String name();

  /** Facts for {@code heddle doctor}, as a JSON object. */
  String describe();

  /** Memory of this backend's device. */
  Memory memory();

  /** Whether {@link #run} has this op. */
  boolean supports(OpCode op);

  /**
   * Runs an op of the door.
   *
   * @param tensors in the order of the op's signature; null for an optional one that is absent
   * @throws IllegalArgumentException for wrong shapes, dtypes or values, naming the tensor
   * @throws UnsupportedOperationException when this backend does not have the op or the dtype
   */
  void run(OpCode op, Params params, @Nullable Tensor... tensors);

  /**
   * The matrix product, a library op: {@code c = alpha * a b + beta * c + bias}, accumulated in f32
   * or wider.
   *
   * @param a [M,K] or [B,M,K], any strides with one of the last two equal to 1 (a transposed view
   *     is free)
   * @param b [K,N] or [B,K,N], likewise
   * @param bias [N] of the dtype of c, or null
   * @param c [M,N] or [B,M,N], last stride 1; f32, or the dtype of a and b
   * @param alpha factor on the product
   * @param beta factor on the old value of c; with 0 the old value is not read
   */
  void matmul(Tensor a, Tensor b, @Nullable Tensor bias, Tensor c, float alpha, float beta);

  /**
   * Whole recurrent layers by a library, where they are to be had in one: else null, and {@link
   * io.heddle.op.Recurrent} makes them of matrix products and the ops {@code recurrent_fwd} and
   * {@code recurrent_bwd}.
   */
  default @Nullable RecurrentLibrary recurrent() {
    return null;
  }

  /**
   * Sums over the processes of {@code meeting}, all of which call this at the same time: by the
   * device's own library where there is one, else over sockets between neighbouring ranks.
   *
   * @throws UnsupportedOperationException when the library cannot be had, naming what was looked
   *     for
   */
  default Collective collective(Meeting meeting) {
    return Collective.overSockets(meeting, this);
  }

  /**
   * Copies {@code from} to {@code to}, of the same size and dtype and both contiguous; either may
   * be on the device. With host memory on a side the bytes have arrived on return.
   */
  void transfer(Tensor from, Tensor to);

  /** Waits until all work given so far is done. */
  void synchronize();

  /**
   * Work to be done many times: what {@code body} gives this backend to do from this thread. Where
   * a device can record (CUDA graphs), {@code body} runs once, here, nothing of it is done before
   * {@link Graph#replay}, and a replay costs one call however many there were; elsewhere a replay
   * runs {@code body}. Hence what serves both: {@code body} reads and writes tensors made before,
   * which it may hold other values at every replay, and closes all that it makes; it copies nothing
   * from or to the host and waits for nothing, not for other threads either; sizes, factors and
   * other arguments stay what they are. Run it once before, plainly, so that what is made at first
   * use is there.
   *
   * <pre>{@code
   * try (Graph twice = backend.capture(() -> Ops.scale(x, 2, x))) {
   *   twice.replay();
   * }
   * }</pre>
   *
   * @throws UnsupportedOperationException when {@code body} does what cannot be recorded, saying
   *     what; nothing was done then, and the backend can be used as before
   */
  default Graph capture(Runnable body) {
    return body::run;
  }

  /** Whether {@link #capture} makes one call of many. */
  default boolean records() {
    return false;
  }

  @Override
  void close();
}
