package io.heddle.binding.cuda;

import io.heddle.backend.Backend;
import io.heddle.backend.BackendOptions;
import io.heddle.binding.Door;
import io.heddle.binding.NativeProvider;

/** Provides the CUDA backend, where the plugin and a GPU are. */
public final class CudaProvider extends NativeProvider {
  @Override
  public String name() {
    return "cuda";
  }

  // Behind the CPU where products cannot be had: 'auto' shall train.
  @Override
  public int rank() {
    return CudaLibraries.CUBLASLT.missing(CudaLibraries.folders()) == null ? 20 : 5;
  }

  @Override
  public Backend open(BackendOptions options) {
    return new CudaBackend(Door.open(), options);
  }
}
