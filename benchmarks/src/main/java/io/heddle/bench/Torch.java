package io.heddle.bench;

import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.openblas.global.openblas_nolapack;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;

/** libtorch through its JavaCPP preset: the peer in the same process. */
final class Torch {
  static final String NAME = "libtorch";

  private Torch() {}

  /** Threads that libtorch's operators use. */
  static void threads(int threads) {
    torch.set_num_threads(threads);
    // The library of its matrix products counts for itself.
    openblas_nolapack.blas_set_num_threads(threads);
  }

  /** Our memory as a tensor of theirs, without a copy. */
  static org.bytedeco.pytorch.Tensor view(Tensor ours) {
    TensorOptions options = new TensorOptions(type(ours.dtype()));
    return keep(
        torch.from_blob(new Address(ours.address()), ours.shape(), ours.strides(), options));
  }

  /** Outlives the scope it was made in. */
  static org.bytedeco.pytorch.Tensor keep(org.bytedeco.pytorch.Tensor tensor) {
    tensor.retainReference();
    return tensor;
  }

  private static torch.ScalarType type(DType dtype) {
    return switch (dtype) {
      case F32 -> torch.ScalarType.Float;
      case BF16 -> torch.ScalarType.BFloat16;
      case F16 -> torch.ScalarType.Half;
      case F64 -> torch.ScalarType.Double;
      case I32 -> torch.ScalarType.Int;
      case I64 -> torch.ScalarType.Long;
      case U8 -> torch.ScalarType.Bool;
    };
  }

  /**
   * A contestant.
   *
   * @param gradients whether the work needs libtorch's autograd
   * @param work gives the tensors whose numbers, one after the other, are the answer
   */
  static Contestant contestant(
      boolean gradients, Supplier<List<org.bytedeco.pytorch.Tensor>> work) {
    Supplier<List<org.bytedeco.pytorch.Tensor>> guarded =
        () -> {
          if (gradients) {
            return work.get();
          }
          try (NoGradGuard _ = new NoGradGuard()) {
            return work.get();
          }
        };
    return Contestant.of(
        NAME,
        () -> {
          try (PointerScope _ = new PointerScope()) {
            var unused = guarded.get();
          }
        },
        () -> {
          try (PointerScope _ = new PointerScope()) {
            return numbers(guarded.get());
          }
        });
  }

  /** A contestant that works in place: its answer is what {@code outputs} hold. */
  static Contestant inPlace(Runnable work, List<org.bytedeco.pytorch.Tensor> outputs) {
    return Contestant.of(
        NAME,
        () -> {
          try (PointerScope _ = new PointerScope();
              NoGradGuard _ = new NoGradGuard()) {
            work.run();
          }
        },
        () -> {
          try (PointerScope _ = new PointerScope()) {
            return numbers(outputs);
          }
        });
  }

  private static double[] numbers(List<org.bytedeco.pytorch.Tensor> tensors) {
    List<double[]> parts = new ArrayList<>();
    for (org.bytedeco.pytorch.Tensor t : tensors) {
      org.bytedeco.pytorch.Tensor flat = t.detach().to(torch.ScalarType.Float).contiguous();
      float[] values = new float[(int) flat.numel()];
      new FloatPointer(flat.data_ptr()).get(values);
      parts.add(CpuContest.numbers(values));
    }
    return parts.stream().flatMapToDouble(java.util.Arrays::stream).toArray();
  }

  /** A pointer to what lies at an address. */
  static final class Address extends Pointer {
    Address(long value) {
      address = value;
    }
  }
}
