package io.heddle.backend.profile;

import io.heddle.op.OpCode;
import io.heddle.op.pattern.BlockLayout;
import io.heddle.tensor.Tensor;
import java.util.Arrays;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** What an op had to do, from its operands. */
final class Work {
  private Work() {}

  static String shapes(@Nullable Tensor[] tensors) {
    StringBuilder text = new StringBuilder();
    for (Tensor tensor : tensors) {
      if (tensor != null) {
        text.append(text.isEmpty() ? "" : " ")
            .append(tensor.dtype().name().toLowerCase(Locale.ROOT))
            .append(Arrays.toString(tensor.shape()).replace(" ", ""));
      }
    }
    return text.toString();
  }

  static long bytes(@Nullable Tensor[] tensors) {
    long bytes = 0;
    for (Tensor tensor : tensors) {
      bytes += tensor == null ? 0 : tensor.size() * tensor.dtype().bytes();
    }
    return bytes;
  }

  /**
   * Of attention: over the blocks visited, so a masked part of a block counts. Of recurrent layers:
   * of the products from step to step. Of others 0.
   */
  static long flops(OpCode op, @Nullable Tensor[] t) {
    return switch (op) {
      case ATTENTION_FWD -> 4 * pairs(t[0], t[1], t[3], t[4], t[6]);
      case ATTENTION_BWD -> 10 * pairs(t[0], t[1], t[6], t[7], t[11]);
      case RECURRENT_FWD -> stepping(t[1], t[5]);
      case RECURRENT_BWD -> stepping(t[3], t[0]);
      default -> 0;
    };
  }

  private static long stepping(@Nullable Tensor weight, @Nullable Tensor y) {
    return weight == null || y == null ? 0 : 2 * weight.size() * y.dim(0) * y.dim(1);
  }

  // Pairs times features.
  private static long pairs(
      @Nullable Tensor q,
      @Nullable Tensor k,
      @Nullable Tensor rowPtr,
      @Nullable Tensor rowBlocks,
      @Nullable Tensor group) {
    if (q == null || k == null) {
      return 0;
    }
    long each = q.dim(0) * q.dim(3);
    if (rowPtr == null || rowBlocks == null) {
      return each * q.dim(1) * q.dim(2) * k.dim(2);
    }
    long blocks = 0;
    if (rowPtr.storage().device() >= 0) { // reading the lists would wait for the device: their mean
      blocks = rowBlocks.dim(0) * q.dim(1) / (rowPtr.dim(0) * rowPtr.dim(1));
      return each * blocks * BlockLayout.BLOCK * BlockLayout.BLOCK;
    }
    for (long h = 0; h < q.dim(1); h++) {
      long g = group == null ? 0 : (long) group.get(h);
      blocks += (long) (rowPtr.get(0, g, rowPtr.dim(2) - 1) - rowPtr.get(0, g, 0));
    }
    return each * blocks * BlockLayout.BLOCK * BlockLayout.BLOCK;
  }
}
