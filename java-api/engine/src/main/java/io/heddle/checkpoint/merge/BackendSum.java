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

/**
 * Linear combinations by a backend: the same numbers as {@link LinearKernel}'s, sooner. What a call
 * needs is made once for all calls alike. Belongs to one thread.
 */
final class BackendSum implements AutoCloseable {
  private final Backend backend;
  private final Arena arena;
  private final boolean supported;
  private final boolean device;
  private MemorySegment weights = MemorySegment.NULL;
  private @Nullable Call call;

  /** The operands of calls for one kernel on the same memory. */
  private final class Call implements AutoCloseable {
    final LinearKernel kernel;
    final Buffers buffers;
    final List<Tensor> here = new ArrayList<>(); // operands in our memory, then the result
    final List<Tensor> there = new ArrayList<>(); // the same in the backend's
    final Scope scope = new Scope(backend.memory());
    final @Nullable Tensor[] tensors;

    Call(LinearKernel kernel, TensorPlan tensor, DType[] types, long count, Buffers buffers) {
      this.kernel = kernel;
      this.buffers = buffers;
      for (int i = 0; i < types.length; i++) {
        boolean last = i == types.length - 1;
        here.add(view(last ? buffers.out() : buffers.operands().get(i), types[i], count));
        there.add(device ? scope.tensor(types[i], count) : here.getLast());
      }
      there.getLast().named(tensor.name());
      double[] w = kernel.weights();
      if (weights.byteSize() < 8L * w.length) {
        weights = arena.allocate(8L * w.length, 64);
      }
      Tensor values = view(weights, DType.F64, w.length).copyFrom(w);
      if (device) {
        Tensor brought = scope.tensor(DType.F64, w.length);
        backend.transfer(values, brought);
        values = brought;
      }
      List<@Nullable Tensor> all = new ArrayList<>(there);
      if (!kernel.hasBase()) {
        all.addFirst(null);
      }
      all.add(1, values);
      tensors = all.toArray(new Tensor[0]);
    }

    void run() {
      for (int i = 0; device && i < here.size() - 1; i++) {
        backend.transfer(here.get(i), there.get(i));
      }
      backend.run(OpCode.LINEAR_COMBINATION, new Params.None(), tensors);
      if (device) {
        backend.transfer(there.getLast(), here.getLast());
      }
      backend.synchronize();
    }

    @Override
    public void close() {
      scope.close();
    }
  }

  /**
   * For one thread.
   *
   * @param arena gives memory for the weights
   */
  BackendSum(Backend backend, Arena arena) {
    this.backend = backend;
    this.arena = arena;
    this.supported = backend.supports(OpCode.LINEAR_COMBINATION);
    this.device = isDevice(backend);
  }

  /** Whether the backend's memory is not the host's. */
  static boolean isDevice(Backend backend) {
    try (Scope scope = new Scope(backend.memory())) {
      return scope.tensor(DType.U8, 1).storage().device() >= 0;
    }
  }

  /** Computes a part of a tensor; false when the backend does not do that. */
  boolean run(LinearKernel kernel, TensorPlan tensor, long count, Buffers buffers) {
    if (!supported || count == 0) {
      return false;
    }
    if (call == null || call.kernel != kernel || call.buffers != buffers) {
      DType[] types = types(tensor);
      if (types == null) {
        return false;
      }
      close();
      call = new Call(kernel, tensor, types, count, buffers);
    }
    call.run();
    return true;
  }

  /** Of the operands and the result; null when a backend's tensors cannot hold one of them. */
  private static DType @Nullable [] types(TensorPlan tensor) {
    List<StorageType> all = new ArrayList<>();
    tensor.inputs().forEach(input -> all.add(input.type()));
    all.add(tensor.type());
    DType[] types = new DType[all.size()];
    for (int i = 0; i < types.length; i++) {
      DType type = all.get(i).dtype();
      if (type == null) {
        return null;
      }
      types[i] = type;
    }
    return types;
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

  @Override
  public void close() {
    if (call != null) {
      call.close();
      call = null;
    }
  }
}
