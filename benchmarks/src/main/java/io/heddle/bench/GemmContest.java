package io.heddle.bench;

import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import java.util.List;
import java.util.Map;
import org.bytedeco.dnnl.global.dnnl;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.pytorch.global.torch;

/** The product of a layer: rows [M,K] times a weight [N,K] turned. 2 M N K operations. */
final class GemmContest extends CpuContest {
  private final long m;
  private final long n;
  private final long k;

  GemmContest(long m, long n, long k, String backendName, DType type, int threads) {
    super(backendName, type, threads);
    this.m = m;
    this.n = n;
    this.k = k;
    Tensor x = random(type, 1, m, k);
    Tensor w = random(type, 1, n, k);
    Tensor y = scope.tensor(type, m, n);
    enterOurs(() -> backend.matmul(x, w.transpose(0, 1), null, y, 1, 0), y);
    var rows = Torch.view(x);
    var weight = Torch.view(w);
    enter(Torch.contestant(false, () -> List.of(torch.linear(rows, weight))));
    if (type == DType.F32) {
      enterOneDnn(x, w);
    }
    Guest.enterAll(this, Guest.work("gemm", false), Map.of("x", x, "w", w));
  }

  /** The library that ours goes through, called directly, with the threads that ours has set. */
  private void enterOneDnn(Tensor x, Tensor w) {
    Tensor out = scope.tensor(type, m, n);
    FloatPointer a = new FloatPointer(new Torch.Address(x.address()));
    FloatPointer b = new FloatPointer(new Torch.Address(w.address()));
    FloatPointer c = new FloatPointer(new Torch.Address(out.address()));
    enter(
        Contestant.of(
            "onednn",
            () -> {
              int status = dnnl.dnnl_sgemm((byte) 'N', (byte) 'T', m, n, k, 1, a, k, b, k, 0, c, n);
              if (status != dnnl.dnnl_success) {
                throw new IllegalStateException("dnnl_sgemm: status " + status);
              }
            },
            () -> numbers(out)));
  }

  @Override
  public String op() {
    return "gemm";
  }

  @Override
  public String shape() {
    return "M%d N%d K%d".formatted(m, n, k);
  }

  @Override
  public double flops() {
    return 2.0 * m * n * k;
  }

  @Override
  public double bytes() {
    return (double) type.bytes() * (m * k + n * k + m * n);
  }
}
