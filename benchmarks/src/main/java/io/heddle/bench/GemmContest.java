package io.heddle.bench;

import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import java.util.List;
import java.util.Map;
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
    Guest.enterAll(this, Guest.work("gemm", false), Map.of("x", x, "w", w));
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
