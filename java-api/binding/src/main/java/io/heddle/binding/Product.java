package io.heddle.binding;

import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * All that a library's choice of a matrix product's kernel depends on: sizes, types, factors and
 * the strides (in elements) of the last two dimensions and of the batch. Also the key under which a
 * library's plans are kept.
 *
 * @param batch number of products, 1 without a batch dimension
 * @param m rows of a and c
 * @param n columns of b and c
 * @param k columns of a, rows of b
 * @param ab type of a and b
 * @param out type of c and of the bias
 * @param bias whether there is one
 * @param alpha factor on the product
 * @param beta factor on the old value of c
 */
public record Product(
    long batch,
    long m,
    long n,
    long k,
    DType ab,
    DType out,
    boolean bias,
    float alpha,
    float beta,
    long aBatch,
    long aRow,
    long aColumn,
    long bBatch,
    long bRow,
    long bColumn,
    long cBatch,
    long cRow) {

  /**
   * Checks the operands of {@link io.heddle.backend.Backend#matmul}; throws {@link
   * IllegalArgumentException} naming them.
   */
  public static Product of(
      Tensor a, Tensor b, @Nullable Tensor bias, Tensor c, float alpha, float beta) {
    int rank = c.rank();
    if (rank < 2 || rank > 3 || a.rank() != rank || b.rank() != rank) {
      throw refused(a, b, bias, c, "all must have 2 or all 3 dimensions");
    }
    long batch = rank == 3 ? c.dim(0) : 1;
    long m = c.dim(-2);
    long n = c.dim(-1);
    long k = a.dim(-1);
    boolean batches = rank == 2 || (a.dim(0) == batch && b.dim(0) == batch);
    if (!batches
        || a.dim(-2) != m
        || b.dim(-2) != k
        || b.dim(-1) != n
        || (bias != null && bias.size() != n)) {
      throw refused(a, b, bias, c, "the shapes do not go together");
    }
    boolean types = a.dtype() == b.dtype() && (c.dtype() == a.dtype() || c.dtype() == DType.F32);
    if (!types || (bias != null && bias.dtype() != c.dtype())) {
      throw refused(a, b, bias, c, "the dtypes do not go together");
    }
    if ((c.stride(-1) != 1 && n > 1) || (bias != null && !bias.isContiguous())) {
      throw refused(a, b, bias, c, "the last stride of the result and of the bias must be 1");
    }
    boolean batched = rank == 3;
    return new Product(
        batch,
        m,
        n,
        k,
        a.dtype(),
        c.dtype(),
        bias != null,
        alpha,
        beta,
        batched ? a.stride(0) : 0,
        a.stride(-2),
        a.stride(-1),
        batched ? b.stride(0) : 0,
        b.stride(-2),
        b.stride(-1),
        batched ? c.stride(0) : 0,
        c.stride(-2));
  }

  private static IllegalArgumentException refused(
      Tensor a, Tensor b, @Nullable Tensor bias, Tensor c, String why) {
    String plus = bias == null ? "" : " plus " + bias;
    return new IllegalArgumentException(
        "matmul of " + a + " and " + b + plus + " into " + c + ": " + why);
  }

  /** Floating point operations. */
  public long flops() {
    return 2 * batch * m * n * k;
  }

  /** For messages: {@code product of bf16 [2, 3, 4] and [2, 4, 5] into f32}. */
  @Override
  public String toString() {
    String front = batch == 1 ? "[" : "[" + batch + ", ";
    return "product of %s %s%d, %d] and %s%d, %d] into %s%s"
        .formatted(ab, front, m, k, front, k, n, out, bias ? " plus a bias" : "");
  }
}
