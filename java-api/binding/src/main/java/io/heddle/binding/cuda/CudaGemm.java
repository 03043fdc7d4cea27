package io.heddle.binding.cuda;

import static org.bytedeco.cuda.global.cublas.CUBLASLT_EPILOGUE_BIAS;
import static org.bytedeco.cuda.global.cublas.CUBLASLT_MATMUL_DESC_BIAS_POINTER;
import static org.bytedeco.cuda.global.cublas.CUBLASLT_MATMUL_DESC_EPILOGUE;
import static org.bytedeco.cuda.global.cublas.CUBLASLT_MATMUL_DESC_TRANSA;
import static org.bytedeco.cuda.global.cublas.CUBLASLT_MATMUL_DESC_TRANSB;
import static org.bytedeco.cuda.global.cublas.CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES;
import static org.bytedeco.cuda.global.cublas.CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES;
import static org.bytedeco.cuda.global.cublas.CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES;
import static org.bytedeco.cuda.global.cublas.CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES;
import static org.bytedeco.cuda.global.cublas.CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES;
import static org.bytedeco.cuda.global.cublas.CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT;
import static org.bytedeco.cuda.global.cublas.CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET;
import static org.bytedeco.cuda.global.cublas.CUBLAS_COMPUTE_32F;
import static org.bytedeco.cuda.global.cublas.CUBLAS_COMPUTE_32F_FAST_TF32;
import static org.bytedeco.cuda.global.cublas.CUBLAS_OP_N;
import static org.bytedeco.cuda.global.cublas.CUBLAS_OP_T;
import static org.bytedeco.cuda.global.cublas.CUBLAS_STATUS_NOT_SUPPORTED;
import static org.bytedeco.cuda.global.cublas.CUBLAS_STATUS_SUCCESS;
import static org.bytedeco.cuda.global.cudart.CUDA_R_16BF;
import static org.bytedeco.cuda.global.cudart.CUDA_R_16F;
import static org.bytedeco.cuda.global.cudart.CUDA_R_32F;

import io.heddle.backend.DeviceException;
import io.heddle.binding.Product;
import io.heddle.tensor.DType;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.bytedeco.cuda.cublas.cublasLtContext;
import org.bytedeco.cuda.cublas.cublasLtMatmulAlgo_t;
import org.bytedeco.cuda.cublas.cublasLtMatmulDescOpaque_t;
import org.bytedeco.cuda.cublas.cublasLtMatmulHeuristicResult_t;
import org.bytedeco.cuda.cublas.cublasLtMatmulPreferenceOpaque_t;
import org.bytedeco.cuda.cublas.cublasLtMatrixLayoutOpaque_t;
import org.bytedeco.cuda.cudart.CUstream_st;
import org.bytedeco.cuda.global.cublas;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerPointer;
import org.jspecify.annotations.Nullable;

/**
 * Matrix products by cuBLASLt on a context's stream. cuBLASLt's matrices are column-major: ours,
 * read that way, are transposed, so that {@code c^T = b^T a^T} is asked for and a bias over the
 * columns of c is the library's bias over rows. What a product needs is made once per {@link
 * Product} and alignment and kept (descriptors and the heuristic's choice); a later call sets
 * addresses and makes no object. Sums are f32; {@code -Dheddle.cuda.tf32=true} lets f32 operands be
 * rounded to TF32, 10 bits of fraction, for tensor cores.
 */
final class CudaGemm implements AutoCloseable {
  /** What NVIDIA recommends for Hopper; enough for the others. */
  static final long WORKSPACE_BYTES = 32L << 20;

  private static final int ALIGNMENT = 256;

  private final cublasLtContext handle = new cublasLtContext();
  private final CUstream_st stream;
  private final Pointer workspace;
  private final @Nullable GemmAlgorithms algorithms;
  private final boolean tf32 = Boolean.getBoolean("heddle.cuda.tf32");
  private final Map<Key, Plan> plans = new HashMap<>();
  private final FloatPointer alpha = new FloatPointer(1);
  private final FloatPointer beta = new FloatPointer(1);
  private final LongPointer biasAddress = new LongPointer(1);
  private final Address a = new Address();
  private final Address b = new Address();
  private final Address c = new Address();
  private final Address d = new Address();

  private record Key(Product product, int a, int b, int c, int d) {
    // All that tells products apart, for a file.
    String text() {
      Product p = product;
      return "%s alpha %s beta %s strides %d %d %d, %d %d %d, %d %d aligned %d %d %d %d"
          .formatted(
              p,
              p.alpha(),
              p.beta(),
              p.aBatch(),
              p.aRow(),
              p.aColumn(),
              p.bBatch(),
              p.bRow(),
              p.bColumn(),
              p.cBatch(),
              p.cRow(),
              a,
              b,
              c,
              d);
    }
  }

  /**
   * Opens the library for the thread's current device.
   *
   * @param stream where products run
   * @param workspace {@link #WORKSPACE_BYTES} bytes of the device
   * @param algorithms which to use; null: the heuristic's
   */
  CudaGemm(long stream, long workspace, @Nullable GemmAlgorithms algorithms) {
    this.algorithms = algorithms;
    this.stream = new CUstream_st(new Address().at(stream));
    this.workspace = new Address().at(workspace);
    check(cublas.cublasLtCreate(handle), "opening cuBLASLt");
  }

  private static void check(int status, String what) {
    if (status != CUBLAS_STATUS_SUCCESS) {
      throw new DeviceException("cuBLASLt: " + what + ": " + sentence(status));
    }
  }

  private static String sentence(int status) {
    return cublas.cublasLtGetStatusName(status).getString()
        + ", "
        + cublas.cublasLtGetStatusString(status).getString();
  }

  /**
   * Runs a product whose sizes are not 0 on operands at these addresses (bias 0: none). The device
   * must be the thread's current one.
   *
   * @return false when the library cannot take these strides or alignments; then nothing was done
   */
  synchronized boolean run(Product product, long left, long right, long bias, long result) {
    int biasAlignment = bias == 0 ? ALIGNMENT : alignment(bias);
    int aligned = alignment(result);
    Key key =
        new Key(
            product, alignment(left), alignment(right), aligned, Math.min(aligned, biasAlignment));
    Plan plan = plans.get(key);
    if (plan == null) {
      plan = new Plan(key);
      plans.put(key, plan);
    }
    return plan.execute(left, right, bias, result);
  }

  private static String digits(cublasLtMatmulAlgo_t algorithm) {
    return IntStream.range(0, 8)
        .mapToObj(i -> String.format("%016x", algorithm.data(i)))
        .collect(Collectors.joining());
  }

  // The largest power of two that divides an address, as far as the library asks.
  private static int alignment(long address) {
    return (int) Math.min(ALIGNMENT, Long.lowestOneBit(address));
  }

  @Override
  public synchronized void close() {
    plans.values().forEach(Plan::close);
    plans.clear();
    cublas.cublasLtDestroy(handle);
  }

  /**
   * How a matrix of [rows, columns] lies in memory when it is read column by column.
   *
   * @param transposed false: the columns read are our rows
   * @param stored size of such a column
   * @param count number of them
   * @param leading elements from one to the next
   */
  private record Lie(boolean transposed, long stored, long count, long leading) {
    static @Nullable Lie of(long rows, long columns, long rowStride, long columnStride) {
      long byRows = rows == 1 ? columns : rowStride;
      if ((columns == 1 || columnStride == 1) && byRows >= columns) {
        return new Lie(false, columns, rows, byRows);
      }
      long byColumns = columns == 1 ? rows : columnStride;
      if ((rows == 1 || rowStride == 1) && byColumns >= rows) {
        return new Lie(true, rows, columns, byColumns);
      }
      return null;
    }
  }

  private final class Plan implements AutoCloseable {
    private final Key key;
    private final Product product;
    private final cublasLtMatmulDescOpaque_t operation;
    private final int most = algorithms == null ? 1 : GemmAlgorithms.CANDIDATES;
    // Owns the memory that the candidates point to.
    private final cublasLtMatmulHeuristicResult_t found = new cublasLtMatmulHeuristicResult_t(most);
    private final List<cublasLtMatmulAlgo_t> candidates = new ArrayList<>();
    private @Nullable cublasLtMatmulAlgo_t algorithm; // null before the first run
    private cublasLtMatrixLayoutOpaque_t @Nullable [] layouts; // b, a, c; null: not possible
    private long lastBias;

    Plan(Key key) {
      this.key = key;
      this.product = key.product;
      this.operation = operation(product);
      Product p = product;
      Lie left = Lie.of(p.m(), p.k(), p.aRow(), p.aColumn());
      Lie right = Lie.of(p.k(), p.n(), p.bRow(), p.bColumn());
      Lie result = Lie.of(p.m(), p.n(), p.cRow(), 1);
      if (left != null && right != null && result != null && !result.transposed) {
        set(CUBLASLT_MATMUL_DESC_TRANSA, right.transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
        set(CUBLASLT_MATMUL_DESC_TRANSB, left.transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
        cublasLtMatrixLayoutOpaque_t[] made = {
          layout(p.ab(), right, p.batch(), p.bBatch()),
          layout(p.ab(), left, p.batch(), p.aBatch()),
          layout(p.out(), result, p.batch(), p.cBatch())
        };
        layouts = made;
        if (!propose(made)) {
          close(made);
          layouts = null;
        }
      }
    }

    private cublasLtMatmulDescOpaque_t operation(Product p) {
      boolean fast = tf32 && p.ab() == DType.F32;
      try (PointerPointer<Pointer> made = new PointerPointer<>(1)) {
        int compute = fast ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
        check(cublas.cublasLtMatmulDescCreate(made, compute, CUDA_R_32F), "descriptor");
        return new cublasLtMatmulDescOpaque_t(made.get(0));
      }
    }

    private void set(int attribute, int value) {
      try (IntPointer one = new IntPointer(1)) {
        check(
            cublas.cublasLtMatmulDescSetAttribute(operation, attribute, one.put(0, value), 4),
            "attribute " + attribute + " of the " + product);
      }
    }

    private cublasLtMatrixLayoutOpaque_t layout(DType dtype, Lie lie, long batch, long stride) {
      try (PointerPointer<Pointer> made = new PointerPointer<>(1);
          IntPointer count = new IntPointer(1);
          LongPointer offset = new LongPointer(1)) {
        check(
            cublas.cublasLtMatrixLayoutCreate(
                made, type(dtype), lie.stored, lie.count, lie.leading),
            "layout for the " + product);
        cublasLtMatrixLayoutOpaque_t layout = new cublasLtMatrixLayoutOpaque_t(made.get(0));
        if (batch > 1) {
          count.put(0, Math.toIntExact(batch));
          offset.put(0, stride);
          check(
              cublas.cublasLtMatrixLayoutSetAttribute(
                  layout, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, count, 4),
              "batch of the " + product);
          check(
              cublas.cublasLtMatrixLayoutSetAttribute(
                  layout, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, offset, 8),
              "batch of the " + product);
        }
        return layout;
      }
    }

    private int type(DType dtype) {
      return switch (dtype) {
        case F32 -> CUDA_R_32F;
        case BF16 -> CUDA_R_16BF;
        case F16 -> CUDA_R_16F;
        default -> throw new UnsupportedOperationException(product + " on CUDA");
      };
    }

    // Asks the library's heuristic for its best algorithm, or for several to try.
    private boolean propose(cublasLtMatrixLayoutOpaque_t[] l) {
      if (product.bias()) {
        set(CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
      }
      try (PointerPointer<Pointer> made = new PointerPointer<>(1);
          LongPointer bytes = new LongPointer(1);
          IntPointer alignment = new IntPointer(1);
          IntPointer count = new IntPointer(1)) {
        check(cublas.cublasLtMatmulPreferenceCreate(made), "preference");
        var preference = new cublasLtMatmulPreferenceOpaque_t(made.get(0));
        prefer(
            preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, bytes.put(0, WORKSPACE_BYTES), 8);
        int[][] wanted = {
          {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, key.b},
          {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, key.a},
          {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, key.c},
          {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, key.d} // the bias has none of its own
        };
        for (int[] pair : wanted) {
          prefer(preference, pair[0], alignment.put(0, pair[1]), 4);
        }
        int status =
            cublas.cublasLtMatmulAlgoGetHeuristic(
                handle, operation, l[0], l[1], l[2], l[2], preference, most, found, count);
        cublas.cublasLtMatmulPreferenceDestroy(preference);
        for (int i = 0; status == CUBLAS_STATUS_SUCCESS && i < count.get(0); i++) {
          cublasLtMatmulHeuristicResult_t proposal = found.getPointer(i);
          if (proposal.state() == CUBLAS_STATUS_SUCCESS) {
            candidates.add(proposal.algo());
          }
        }
        return !candidates.isEmpty();
      }
    }

    private void prefer(
        cublasLtMatmulPreferenceOpaque_t preference, int attribute, Pointer value, long size) {
      check(
          cublas.cublasLtMatmulPreferenceSetAttribute(preference, attribute, value, size),
          "preference for the " + product);
    }

    boolean execute(long left, long right, long bias, long result) {
      cublasLtMatrixLayoutOpaque_t[] l = layouts;
      if (l == null) {
        return false;
      }
      if (bias != lastBias) {
        biasAddress.put(0, bias);
        check(
            cublas.cublasLtMatmulDescSetAttribute(
                operation, CUBLASLT_MATMUL_DESC_BIAS_POINTER, biasAddress, 8),
            "bias of the " + product);
        lastBias = bias;
      }
      alpha.put(0, product.alpha());
      beta.put(0, product.beta());
      a.at(left);
      b.at(right);
      c.at(result);
      cublasLtMatmulAlgo_t known = algorithm;
      if (known == null) {
        known = candidates.get(algorithms == null ? 0 : fastest(algorithms, l));
        algorithm = known;
      }
      int status = start(l, known, result);
      if (status
          == CUBLAS_STATUS_NOT_SUPPORTED) { // the heuristic does not know of a bias's address
        close(l);
        layouts = null;
        return false;
      }
      check(status, product.toString());
      return true;
    }

    private int fastest(GemmAlgorithms all, cublasLtMatrixLayoutOpaque_t[] l) {
      Product p = product;
      long elements = (p.batch() - 1) * p.cBatch() + (p.m() - 1) * p.cRow() + p.n();
      return all.of(
          key.text(),
          candidates.stream().map(CudaGemm::digits).toList(),
          elements * p.out().bytes(),
          (candidate, scratch) ->
              start(l, candidates.get(candidate), scratch) == CUBLAS_STATUS_SUCCESS);
    }

    private int start(
        cublasLtMatrixLayoutOpaque_t[] l, cublasLtMatmulAlgo_t algorithm, long result) {
      return cublas.cublasLtMatmul(
          handle,
          operation,
          alpha,
          b,
          l[0],
          a,
          l[1],
          beta,
          c,
          l[2],
          d.at(result),
          l[2],
          algorithm,
          workspace,
          WORKSPACE_BYTES,
          stream);
    }

    private void close(cublasLtMatrixLayoutOpaque_t[] made) {
      for (cublasLtMatrixLayoutOpaque_t layout : made) {
        cublas.cublasLtMatrixLayoutDestroy(layout);
      }
    }

    @Override
    public void close() {
      cublas.cublasLtMatmulDescDestroy(operation);
      cublasLtMatrixLayoutOpaque_t[] made = layouts;
      if (made != null) {
        close(made);
      }
    }
  }
}
