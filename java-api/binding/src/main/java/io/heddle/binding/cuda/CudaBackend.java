package io.heddle.binding.cuda;

import io.heddle.backend.BackendOptions;
import io.heddle.binding.Door;
import io.heddle.binding.NativeBackend;
import io.heddle.tensor.Storage;
import io.heddle.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** The plugin's kernels on one GPU. */
public final class CudaBackend extends NativeBackend {
  private final int device;

  /** Opens the device of {@code options}. */
  public CudaBackend(Door door, BackendOptions options) {
    super("cuda", door, options);
    this.device = options.device();
  }

  @Override
  protected Storage storage(long address, long bytes, Storage.Release release) {
    return Storage.device(address, bytes, device, release);
  }

  @Override
  public void matmul(Tensor a, Tensor b, @Nullable Tensor bias, Tensor c, float alpha, float beta) {
    throw new UnsupportedOperationException(
        "matrix products on CUDA need cuBLASLt, which is not bound yet");
  }
}
