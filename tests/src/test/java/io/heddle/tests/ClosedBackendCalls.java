package io.heddle.tests;

import static org.junit.jupiter.api.Assertions.assertThrows;

import io.heddle.backend.Backend;
import io.heddle.backend.BackendOptions;
import io.heddle.binding.Door;
import io.heddle.binding.cpu.CpuBackend;
import io.heddle.op.OpCode;
import io.heddle.tensor.DType;
import io.heddle.tensor.Scope;
import io.heddle.tensor.Tensor;
import java.util.List;

/**
 * The program of {@link BindingTest} that uses a backend after its close: a stale context could
 * crash it.
 */
final class ClosedBackendCalls {
  private ClosedBackendCalls() {}

  /**
   * Exits with 0 if each call on the closed backend of transport {@code args[0]} throws
   * IllegalStateException.
   */
  public static void main(String[] args) {
    Backend backend = new CpuBackend(Door.open(args[0]), BackendOptions.DEFAULT);
    Scope scope = new Scope(backend.memory());
    Tensor x = scope.tensor(DType.F32, 4, 4).copyFrom(new float[16]);
    Tensor y = scope.tensor(DType.F32, 4, 4);
    backend.close();
    List<Runnable> calls =
        List.of(
            () -> backend.run(OpCode.SOFTMAX_FWD, Lab.NONE, x, y),
            () -> backend.matmul(x, x, null, y, 1, 0),
            () -> backend.transfer(x, y),
            backend::synchronize,
            () -> scope.tensor(DType.F32, 4));
    for (Runnable call : calls) {
      assertThrows(IllegalStateException.class, call::run);
    }
    backend.close();
    scope.close();
  }
}
