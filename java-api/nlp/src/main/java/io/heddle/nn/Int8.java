package io.heddle.nn;

import io.heddle.autograd.Tape;
import io.heddle.backend.Backend;
import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.tensor.DType;
import io.heddle.tensor.Scope;
import io.heddle.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import org.jspecify.annotations.Nullable;

/**
 * Weights of eight bits for inference: each output of a linear layer has a scale, the largest
 * magnitude of its row over 127, and a weight is the nearest whole multiple of it, so that it is
 * off by half a scale at most. Few inputs, as in decoding, meet the bytes as they lie ({@code
 * linear_int8}): a quarter of what f32 reads. For many, or where a backend lacks that op, some rows
 * at a time are turned back into numbers, in a workspace that stays in the cache, and sums are
 * multiplied by scales, which is exact: a quarter of the memory, not more speed.
 */
final class Int8 {
  /** Bytes hold multiples from -127 to 127 above this. */
  static final int ZERO = 128;

  /**
   * Most rows of inputs that meet the bytes as they lie, on the host. From about twice as many on
   * the library's product of numbers is faster (3072 x 768, one thread of an AMD EPYC with
   * AVX-512).
   */
  static final int FEW = 16;

  /**
   * The same on a device, counted and not measured: there the op reads all bytes once for 16 rows,
   * and what {@link #widened} does for each {@link #TILE} weights is four calls of a few
   * microseconds each, of 16384 x 4096 weights a thousand.
   */
  static final int FEW_ON_DEVICE = 128;

  private static final int MOST = 127;
  private static final long TILE = 1 << 18; // elements of the workspace: 1 MiB in f32

  private Int8() {}

  /**
   * Rounds rows of weights.
   *
   * @param rows [R,K], any float type and strides, on the host
   * @param bytes u8 [R,K], contiguous
   * @param scales f32 [R], contiguous
   */
  static void round(Tensor rows, Tensor bytes, Tensor scales) {
    long width = rows.dim(1);
    long step = Math.max(1, TILE / width);
    try (Arena arena = Arena.ofConfined()) {
      var buffer = arena.allocate(step * width);
      for (long at = 0; at < rows.dim(0); at += step) {
        long end = Math.min(rows.dim(0), at + step);
        float[] values = rows.slice(0, at, end).toFloats();
        float[] found = new float[(int) (end - at)];
        for (int r = 0; r < found.length; r++) {
          found[r] = scale(values, r * (int) width, (int) width, rows);
          for (int i = r * (int) width; i < (r + 1) * (int) width; i++) {
            int multiple = found[r] == 0 ? 0 : Math.round(values[i] / found[r]);
            buffer.set(ValueLayout.JAVA_BYTE, i, (byte) (multiple + ZERO));
          }
        }
        bytes.slice(0, at, end).copyFrom(buffer.asSlice(0, values.length));
        scales.slice(0, at, end).copyFrom(found);
      }
    }
  }

  private static float scale(float[] values, int from, int count, Tensor rows) {
    float most = 0;
    for (int i = from; i < from + count; i++) {
      // Also true for NaN, which no comparison finds.
      most = Math.abs(values[i]) <= most ? most : Math.abs(values[i]);
    }
    if (!Float.isFinite(most)) {
      throw new IllegalArgumentException(rows + " has an element that is no number: " + most);
    }
    return most / MOST;
  }

  /**
   * {@code x w^T + bias}, for inference.
   *
   * @param x [N,K]
   * @param bytes u8 [M,K]
   * @param scales f32 [M]
   * @param bias [M] of the dtype of x, or null
   * @return [N,M] of the dtype of x
   */
  static Tensor product(Tape t, Tensor x, Tensor bytes, Tensor scales, @Nullable Tensor bias) {
    if (t.wants(x)) {
      throw new UnsupportedOperationException(
          "weights of eight bits have no gradients: load the model without int8 to train it");
    }
    Backend backend = t.backend();
    int few = bytes.storage().device() < 0 ? FEW : FEW_ON_DEVICE;
    if (x.dim(0) <= few && backend.supports(OpCode.LINEAR_INT8)) {
      Tensor y = t.tensor(x.dtype(), x.dim(0), bytes.dim(0));
      backend.run(OpCode.LINEAR_INT8, new Params.None(), x, bytes, scales, bias, y);
      return y;
    }
    return widened(t, x, bytes, scales, bias);
  }

  // In tiles of numbers, for the library's product.
  private static Tensor widened(
      Tape t, Tensor x, Tensor bytes, Tensor scales, @Nullable Tensor bias) {
    Backend backend = t.backend();
    long outputs = bytes.dim(0);
    long width = bytes.dim(1);
    long step = Math.clamp(TILE / width, 1, outputs);
    Tensor y = t.tensor(x.dtype(), x.dim(0), outputs);
    try (Scope scope = new Scope(backend.memory())) {
      Tensor tile = scope.tensor(x.dtype(), step, width);
      Tensor sums = x.dtype() == DType.F32 ? y : scope.tensor(DType.F32, y.shape());
      for (long at = 0; at < outputs; at += step) {
        long end = Math.min(outputs, at + step);
        Tensor part = tile.slice(0, 0, end - at);
        backend.run(OpCode.COPY, new Params.None(), bytes.slice(0, at, end), part);
        backend.run(OpCode.UNARY, new Params.Unary(0, 1, -ZERO), part, part);
        backend.matmul(x, part.transpose(0, 1), null, sums.slice(1, at, end), 1, 0);
      }
      Tensor factors = scales.view(1, outputs).expand(y.shape());
      backend.run(OpCode.BINARY, new Params.Binary(2, 1, 1), sums, factors, sums);
      if (sums != y) {
        backend.run(OpCode.COPY, new Params.None(), sums, y);
      }
    }
    if (bias != null) {
      Tensor everywhere = bias.view(1, outputs).expand(y.shape());
      backend.run(OpCode.BINARY, new Params.Binary(0, 1, 1), y, everywhere, y);
    }
    return y;
  }
}
