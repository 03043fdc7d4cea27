package io.heddle.checkpoint.merge;

import io.heddle.backend.Backend;
import io.heddle.checkpoint.FloatCodec;
import io.heddle.checkpoint.StorageType;
import io.heddle.op.OpCode;
import io.heddle.tensor.DType;
import io.heddle.tensor.Scope;
import io.heddle.tensor.Storage;
import io.heddle.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Merges by a backend's ops: the bytes that {@link Compute} writes, sooner. Views of the memory are
 * made once for all calls alike. Belongs to one thread.
 */
final class BackendMerge implements AutoCloseable {
  private final Backend backend;
  private final boolean device;
  private @Nullable Views views;

  /** Memory of operands and of the result as tensors. */
  private final class Views implements AutoCloseable {
    final TensorPlan tensor;
    final Buffers buffers;
    final List<Tensor> here = new ArrayList<>(); // operands in our memory, then the result
    final List<Tensor> there = new ArrayList<>(); // the same in the backend's
    final Scope scope = new Scope(backend.memory());

    Views(TensorPlan tensor, DType[] types, long count, Buffers buffers) {
      this.tensor = tensor;
      this.buffers = buffers;
      for (int i = 0; i < types.length; i++) {
        boolean last = i == types.length - 1;
        MemorySegment memory = last ? buffers.out() : buffers.operands().get(i);
        here.add(Tensor.of(Storage.host(memory, address -> {}), 0, types[i], count));
        there.add(device ? scope.tensor(types[i], count) : here.getLast());
      }
      there.getLast().named(tensor.name());
    }

    void run(Kernel kernel, long first) {
      int last = there.size() - 1;
      for (int i = 0; device && i < last; i++) {
        backend.transfer(here.get(i), there.get(i));
      }
      Tensor base = tensor.base() == null ? null : there.getFirst();
      List<Tensor> sources = there.subList(base == null ? 0 : 1, last);
      try (TensorOps ops = new TensorOps(backend, base, sources, there.getLast())) {
        kernel.run(ops, first);
      }
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

  BackendMerge(Backend backend) {
    this.backend = backend;
    this.device = isDevice(backend);
  }

  /** Whether a backend has the ops of a kernel. */
  static boolean has(Backend backend, Kernel kernel) {
    List<OpCode> ops = kernel.ops();
    return !ops.isEmpty() && ops.stream().allMatch(backend::supports);
  }

  /** Whether the backend's memory is not the host's. */
  static boolean isDevice(Backend backend) {
    try (Scope scope = new Scope(backend.memory())) {
      return scope.tensor(DType.U8, 1).storage().device() >= 0;
    }
  }

  /**
   * Merges elements {@code first} to {@code first + count} of a tensor, all of them where the
   * kernel takes statistics; false, and nothing done, when the backend has no ops for that.
   */
  boolean run(TensorPlan tensor, Kernel kernel, long first, long count, Buffers buffers) {
    if (count == 0 || !has(backend, kernel)) {
      return false;
    }
    if (views == null || views.buffers != buffers) {
      DType[] types = types(tensor);
      if (types == null) {
        return false;
      }
      close();
      views = new Views(tensor, types, count, buffers);
    }
    if (Compute.checked(kernel)) {
      for (int i = 0; i < buffers.operands().size(); i++) {
        Compute.checkFinite(tensor, i, first, nonFinite(views.here.get(i), count));
      }
    }
    views.run(kernel, first);
    long bad = FloatCodec.has(tensor.type()) ? nonFinite(views.here.getLast(), count) : -1;
    if (bad >= 0) {
      throw Compute.nonFinite(tensor, first + bad);
    }
    return true;
  }

  private static long nonFinite(Tensor tensor, long count) {
    return NonFinite.find(tensor.storage().segment(), tensor.dtype(), count);
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

  @Override
  public void close() {
    if (views != null) {
      views.close();
      views = null;
    }
  }
}
