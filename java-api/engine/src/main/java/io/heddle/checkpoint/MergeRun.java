package io.heddle.checkpoint;

import io.heddle.backend.Backend;
import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.tensor.DType;
import io.heddle.tensor.Scope;
import io.heddle.tensor.Storage;
import io.heddle.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The buffers of one merge, and its work on one tensor. Inputs are views of the mapped files where
 * the backend can read them there; for a device, and for data at odd addresses, slices are brought
 * over first.
 */
final class MergeRun implements AutoCloseable {
  private final Backend backend;
  private final @Nullable Checkpoint base;
  private final List<Checkpoint> sources;
  private final long slice;
  private final Scope scope;
  private final Arena arena = Arena.ofShared();
  private final Tensor weights;
  private final Tensor result;
  private final @Nullable Tensor hostResult; // only when result is on a device
  private final List<@Nullable Tensor> staged = new ArrayList<>();

  /** Takes the memory for slices of {@code slice} elements. */
  MergeRun(
      Backend backend,
      @Nullable Checkpoint base,
      List<Checkpoint> sources,
      List<Double> weights,
      long slice) {
    this.backend = backend;
    this.base = base;
    this.sources = sources;
    this.slice = slice;
    this.scope = new Scope(backend.memory());
    try {
      this.result = buffer();
      boolean device = result.storage().device() >= 0;
      this.hostResult = device ? host(DType.U8, result.size()) : null;
      Tensor values = host(DType.F64, weights.size());
      values.copyFrom(weights.stream().mapToDouble(Double::doubleValue).toArray());
      this.weights = scope.tensor(DType.F64, weights.size());
      backend.transfer(values, this.weights);
    } catch (Throwable e) {
      close();
      throw e;
    }
    for (int i = 0; i <= sources.size(); i++) {
      staged.add(null);
    }
  }

  /** Computes the tensor that {@code out} declares, slice by slice, and writes it. */
  void combine(TensorEntry out, SafetensorsWriter writer) throws IOException {
    String name = out.name();
    DType dtype = out.type().dtype();
    if (dtype == null) {
      throw new IllegalArgumentException(out + " cannot be combined");
    }
    @Nullable Tensor from = base == null ? null : base.file(name).elements(name);
    List<Tensor> inputs = new ArrayList<>();
    for (Checkpoint source : sources) {
      inputs.add(source.file(name).elements(name));
    }
    long n = out.elements();
    for (long begin = 0; begin < n; begin += slice) {
      long end = Math.min(n, begin + slice);
      Tensor y = part(result, dtype, end - begin);
      @Nullable Tensor[] call = new Tensor[inputs.size() + 3];
      call[0] = from == null ? null : input(0, from.slice(0, begin, end).named(name));
      call[1] = weights;
      for (int i = 0; i < inputs.size(); i++) {
        call[i + 2] = input(i + 1, inputs.get(i).slice(0, begin, end).named(name));
      }
      call[inputs.size() + 2] = y.named(name);
      backend.run(OpCode.LINEAR_COMBINATION, new Params.None(), call);
      if (hostResult != null) {
        Tensor copy = part(hostResult, dtype, end - begin);
        backend.transfer(y, copy);
        y = copy;
      }
      backend.synchronize();
      long bad = NonFinite.find(y.segment(), dtype, end - begin);
      if (bad >= 0) {
        throw new IllegalArgumentException(
            "tensor "
                + JsonText.quote(name)
                + ": element "
                + (begin + bad)
                + " of the merge is NaN or infinite as "
                + dtype);
      }
      writer.write(name, y.segment().asSlice(0, (end - begin) * dtype.bytes()));
    }
  }

  // The view itself, or a copy of it where the backend can read it.
  private Tensor input(int i, Tensor view) {
    boolean device = result.storage().device() >= 0;
    if (!device && view.address() % view.dtype().bytes() == 0) {
      return view;
    }
    Tensor memory = staged.get(i);
    if (memory == null) {
      memory = buffer();
      staged.set(i, memory);
    }
    Tensor copy = part(memory, view.dtype(), view.size());
    backend.transfer(view, copy);
    return view.name() == null ? copy : copy.named(view.name());
  }

  private Tensor buffer() {
    return scope.tensor(DType.U8, Math.multiplyExact(Math.max(slice, 1), DType.F64.bytes()));
  }

  private Tensor host(DType dtype, long size) {
    Storage storage = Storage.host(arena.allocate(size * dtype.bytes(), 64), address -> {});
    return Tensor.of(storage, 0, dtype, size);
  }

  private static Tensor part(Tensor buffer, DType dtype, long size) {
    return Tensor.of(buffer.storage(), 0, dtype, size);
  }

  @Override
  public void close() {
    scope.close();
    arena.close();
  }
}
