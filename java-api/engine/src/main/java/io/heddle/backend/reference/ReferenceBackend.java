package io.heddle.backend.reference;

import io.heddle.backend.Backend;
import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.tensor.Memory;
import io.heddle.tensor.Storage;
import io.heddle.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** Plain Java, double accumulation, from the formulas. */
public final class ReferenceBackend implements Backend {
  @Override
  public String name() {
    return "reference";
  }

  @Override
  public String describe() {
    return "{\"java\":\"" + Runtime.version() + "\"}";
  }

  // An automatic arena per block: the collector frees it, so no restricted method is needed here.
  @Override
  public Memory memory() {
    return bytes -> {
      MemorySegment segment = Arena.ofAuto().allocate(Math.max(bytes, 1), 64).asSlice(0, bytes);
      return Storage.host(segment, address -> {});
    };
  }

  @Override
  public boolean supports(OpCode op) {
    return false;
  }

  @Override
  public void run(OpCode op, Params params, @Nullable Tensor... tensors) {
    throw new UnsupportedOperationException(op.opName());
  }

  @Override
  public void matmul(Tensor a, Tensor b, @Nullable Tensor bias, Tensor c, float alpha, float beta) {
    throw new UnsupportedOperationException("matmul");
  }

  @Override
  public void transfer(Tensor from, Tensor to) {
    to.segment().copyFrom(from.segment().asSlice(0, from.size() * from.dtype().bytes()));
  }

  @Override
  public void synchronize() {}

  @Override
  public void close() {}
}
