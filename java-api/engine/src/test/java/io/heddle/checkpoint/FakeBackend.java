package io.heddle.checkpoint;

import io.heddle.backend.Backend;
import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.tensor.Memory;
import io.heddle.tensor.Storage;
import io.heddle.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Has linear_combination alone, as its row in ops.def says; can play a device, whose memory the
 * host must not touch.
 */
final class FakeBackend implements Backend {
  /** Sizes of the results, in the order of the calls. */
  final List<Long> sizes = new ArrayList<>();

  /** Number of calls of transfer. */
  int transfers;

  /** Fails at this call. */
  int failAt = -1;

  private final boolean device;
  private final Map<Storage, Storage> memoryOfDevice = new HashMap<>();

  FakeBackend(boolean device) {
    this.device = device;
  }

  @Override
  public String name() {
    return "fake";
  }

  @Override
  public String describe() {
    return "{}";
  }

  @Override
  public Memory memory() {
    return bytes -> {
      Storage host = Storage.host(Arena.ofAuto().allocate(Math.max(bytes, 1), 64), a -> {});
      if (!device) {
        return host;
      }
      Storage out = Storage.device(host.address(), bytes, 0, a -> {});
      memoryOfDevice.put(out, host);
      return out;
    };
  }

  @Override
  public boolean supports(OpCode op) {
    return op == OpCode.LINEAR_COMBINATION;
  }

  @Override
  public void run(OpCode op, Params params, @Nullable Tensor... tensors) {
    if (sizes.size() == failAt) {
      throw new IllegalStateException("asked to fail");
    }
    Tensor y = given(tensors[tensors.length - 1]);
    Tensor base = tensors[0];
    double[] origin = base == null ? new double[(int) y.size()] : values(base);
    double[] weights = values(given(tensors[1]));
    double[] out = origin.clone();
    for (int i = 0; i < weights.length; i++) {
      double[] source = values(given(tensors[2 + i]));
      for (int j = 0; j < out.length; j++) {
        out[j] += weights[i] * (source[j] - origin[j]);
      }
    }
    sizes.add(y.size());
    reach(y).copyFrom(out);
  }

  @Override
  public void matmul(Tensor a, Tensor b, @Nullable Tensor bias, Tensor c, float alpha, float beta) {
    throw new UnsupportedOperationException("matmul");
  }

  @Override
  public void transfer(Tensor from, Tensor to) {
    if (from.dtype() != to.dtype() || from.size() != to.size()) {
      throw new IllegalArgumentException("transfer of " + from + " to " + to);
    }
    transfers++;
    long bytes = from.size() * from.dtype().bytes();
    reach(to).segment().copyFrom(reach(from).segment().asSlice(0, bytes));
  }

  @Override
  public void synchronize() {}

  @Override
  public void close() {}

  private double[] values(Tensor tensor) {
    if (device != tensor.storage().device() >= 0) {
      throw new IllegalArgumentException(tensor + " is not where the backend computes");
    }
    if (tensor.address() % tensor.dtype().bytes() != 0) {
      throw new IllegalArgumentException(tensor + " is at an odd address");
    }
    return reach(tensor).toDoubles();
  }

  // The same view in memory that Java can read.
  private Tensor reach(Tensor tensor) {
    Storage host = memoryOfDevice.get(tensor.storage());
    return host == null
        ? tensor
        : Tensor.of(host, tensor.address() - host.address(), tensor.dtype(), tensor.shape());
  }

  private static Tensor given(@Nullable Tensor tensor) {
    if (tensor == null) {
      throw new IllegalArgumentException("a tensor is absent");
    }
    return tensor;
  }
}
