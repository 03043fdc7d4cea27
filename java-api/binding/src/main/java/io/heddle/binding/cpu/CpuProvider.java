package io.heddle.binding.cpu;

import io.heddle.backend.Backend;
import io.heddle.backend.BackendOptions;
import io.heddle.binding.Door;
import io.heddle.binding.NativeProvider;

/** Provides the CPU backend. */
public final class CpuProvider extends NativeProvider {
  @Override
  public String name() {
    return "cpu";
  }

  @Override
  public int rank() {
    return 10;
  }

  @Override
  public Backend open(BackendOptions options) {
    return new CpuBackend(Door.open(), options);
  }
}
