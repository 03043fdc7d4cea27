package io.heddle.checkpoint.merge;

import io.heddle.backend.Backend;
import io.heddle.checkpoint.FloatCodec;
import io.heddle.checkpoint.StorageType;
import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.tensor.DType;
import io.heddle.tensor.Scope;
import io.heddle.tensor.Storage;
import io.heddle.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Linear combinations by a backend: the same numbers as {@link LinearKernel}'s, sooner. */
final class BackendSum {
  private BackendSum() {}

  /** Computes a chunk; false when the backend does not do that. */
  static boolean run(
      Backend backend,
      LinearKernel kernel,
      TensorPlan tensor,
      long count,
      Executor.Buffers buffers) {
    if (!backend.supports(OpCode.LINEAR_COMBINATION) || count == 0) {
      return false;
    }
    List<@Nullable Tensor> operands = new ArrayList<>();
    if (!kernel.hasBase()) {
      operands.add(null);
    }
    for (int i = 0; i < buffers.operands().size(); i++) {
      DType dtype = tensor.inputs().get(i).type().dtype();
      if (dtype == null) {
        return false;
      }
      operands.add(view(buffers.operands().get(i), dtype, count));
    }
    DType written = tensor.type().dtype();
    if (written == null) {
      return false;
    }
    Tensor out = view(buffers.out(), written, count);
    double[] weights = kernel.weights();
    try (Arena arena = Arena.ofShared();
        Scope scope = new Scope(backend.memory())) {
      Tensor values = view(arena.allocate(8L * weights.length, 64), DType.F64, weights.length);
      operands.add(1, values.copyFrom(weights));
      boolean device = scope.tensor(DType.U8, 1).storage().device() >= 0;
      @Nullable Tensor[] call = new Tensor[operands.size() + 1];
      for (int i = 0; i < operands.size(); i++) {
        Tensor operand = operands.get(i);
        call[i] = operand == null || !device ? operand : brought(backend, scope, operand);
      }
      Tensor result = device ? scope.tensor(written, count) : out;
      call[operands.size()] = result.named(tensor.name());
      backend.run(OpCode.LINEAR_COMBINATION, new Params.None(), call);
      if (device) {
        backend.transfer(result, out);
      }
      backend.synchronize();
    }
    return true;
  }

  private static Tensor brought(Backend backend, Scope scope, Tensor from) {
    Tensor to = scope.tensor(from.dtype(), from.size());
    backend.transfer(from, to);
    return to;
  }

  private static Tensor view(MemorySegment memory, DType dtype, long count) {
    return Tensor.of(Storage.host(memory, address -> {}), 0, dtype, count);
  }

  /** Refuses results that are NaN or infinite. */
  static void check(TensorPlan tensor, long first, long count, MemorySegment out) {
    StorageType type = tensor.type();
    DType dtype = type.dtype();
    long bad = dtype == null || !FloatCodec.has(type) ? -1 : NonFinite.find(out, dtype, count);
    if (bad >= 0) {
      throw Compute.nonFinite(tensor, first + bad);
    }
  }
}
