package io.heddle.checkpoint.merge;

import io.heddle.backend.Backend;
import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.tensor.DType;
import io.heddle.tensor.Scope;
import io.heddle.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The operands of one tensor's merge in a backend's memory, whole, and the ops that its {@link
 * Kernel} asks for. Closing frees the numbers that the ops took, not the operands.
 */
final class TensorOps implements AutoCloseable {
  private final Backend backend;
  private final @Nullable Tensor base;
  private final List<Tensor> sources;
  private final Tensor out;
  private final Scope scope;

  TensorOps(Backend backend, @Nullable Tensor base, List<Tensor> sources, Tensor out) {
    this.backend = backend;
    this.base = base;
    this.sources = sources;
    this.out = out;
    this.scope = new Scope(backend.memory());
  }

  /** Inner products of the sources, or of their differences to the base. */
  double[][] gram(boolean differences) {
    int n = sources.size();
    Tensor y = scope.tensor(DType.F64, n * (n + 1L) / 2);
    run(OpCode.INNER_PRODUCTS, new Params.None(), differences ? base : null, List.of(), y);
    double[] products = y.toDoubles();
    double[][] gram = new double[n][n];
    for (int j = 0, at = 0; j < n; j++) {
      for (int i = 0; i <= j; i++, at++) {
        gram[i][j] = products[at];
        gram[j][i] = products[at];
      }
    }
    return gram;
  }

  /** {@code out = base + sum w_i (source_i - base)}, or without the base. */
  void linear(boolean differences, double[] weights) {
    run(
        OpCode.LINEAR_COMBINATION,
        new Params.None(),
        differences ? base : null,
        List.of(numbers(weights)),
        out);
  }

  /**
   * The cuts at two ranks of each source's differences to the base.
   *
   * @param n elements of the whole tensor, which must be here unless all ranks are 0 or n
   */
  Tensor cuts(long[][] ranks, long n) {
    long[] all = Arrays.stream(ranks).flatMapToLong(Arrays::stream).toArray();
    Tensor cuts = scope.tensor(DType.F64, ranks.length, 2, 2);
    if (Arrays.stream(all).allMatch(rank -> rank == 0 || rank == n)) {
      return cuts.copyFrom(
          Arrays.stream(all)
              .mapToObj(rank -> new double[] {rank == 0 ? 0 : Double.POSITIVE_INFINITY, rank})
              .flatMapToDouble(Arrays::stream)
              .toArray());
    }
    Tensor wanted = scope.tensor(DType.I64, ranks.length, 2).copyFrom(all);
    run(OpCode.MAGNITUDE_CUTS, new Params.None(), base, List.of(wanted), cuts);
    return cuts;
  }

  /**
   * Thins, elects and sums; {@code keys} and {@code keep} for random thinning, {@code cuts} for
   * other.
   */
  void sparse(
      Params.SparseCombination params,
      double[] weights,
      @Nullable Tensor cuts,
      long @Nullable [] keys,
      double @Nullable [] keep) {
    List<@Nullable Tensor> numbers = new ArrayList<>();
    numbers.add(numbers(weights));
    numbers.add(cuts);
    numbers.add(keys == null ? null : scope.tensor(DType.I64, keys.length).copyFrom(keys));
    numbers.add(keep == null ? null : numbers(keep));
    run(OpCode.SPARSE_COMBINATION, params, base, numbers, out);
  }

  private Tensor numbers(double[] values) {
    return scope.tensor(DType.F64, values.length).copyFrom(values);
  }

  private void run(
      OpCode op,
      Params params,
      @Nullable Tensor first,
      List<? extends @Nullable Tensor> numbers,
      Tensor result) {
    List<@Nullable Tensor> all = new ArrayList<>();
    all.add(first);
    all.addAll(numbers);
    all.addAll(sources);
    all.add(result);
    backend.run(op, params, all.toArray(new Tensor[0]));
  }

  @Override
  public void close() {
    scope.close();
  }
}
