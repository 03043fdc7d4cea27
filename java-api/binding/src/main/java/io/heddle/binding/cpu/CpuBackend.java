package io.heddle.binding.cpu;

import io.heddle.backend.BackendOptions;
import io.heddle.backend.profile.Profile;
import io.heddle.binding.Door;
import io.heddle.binding.NativeBackend;
import io.heddle.tensor.Storage;
import io.heddle.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** The CPU kernels of libheddle, and matrix products through oneDNN. */
public final class CpuBackend extends NativeBackend {
  private final Gemm gemm = new Gemm();

  /** Opens a context with the threads of {@code options}. */
  public CpuBackend(Door door, BackendOptions options) {
    super("cpu", door, options);
  }

  // The library's allocator gave these bytes; the storage's release gives them back.
  @Override
  @SuppressWarnings("restricted")
  protected Storage storage(long address, long bytes, Storage.Release release) {
    return Storage.host(MemorySegment.ofAddress(address).reinterpret(bytes), release);
  }

  @Override
  public void matmul(Tensor a, Tensor b, @Nullable Tensor bias, Tensor c, float alpha, float beta) {
    Tensor[] all = bias == null ? new Tensor[] {a, b, c} : new Tensor[] {a, b, c, bias};
    int held = 0;
    Profile.Span span = Profile.begin();
    enter();
    try {
      for (Tensor tensor : all) {
        tensor.storage().acquire();
        held++;
      }
      door.check(transport.useThreads(context));
      gemm.run(a, b, bias, c, alpha, beta);
      if (span != null) {
        span.end(name(), "matmul", 2 * c.size() * a.dim(a.rank() - 1), all);
      }
    } finally {
      for (int i = 0; i < held; i++) {
        all[i].storage().release();
      }
      leave();
    }
  }

  @Override
  public String describe() {
    String facts = super.describe();
    return facts.substring(0, facts.length() - 1) + ",\"onednn\":\"" + Gemm.version() + "\"}";
  }
}
