package io.heddle.binding.cpu;

import static org.bytedeco.dnnl.global.dnnl.DNNL_ARG_BIAS;
import static org.bytedeco.dnnl.global.dnnl.DNNL_ARG_DST;
import static org.bytedeco.dnnl.global.dnnl.DNNL_ARG_SRC;
import static org.bytedeco.dnnl.global.dnnl.DNNL_ARG_WEIGHTS;
import static org.bytedeco.dnnl.global.dnnl.dnnl_bf16;
import static org.bytedeco.dnnl.global.dnnl.dnnl_cpu;
import static org.bytedeco.dnnl.global.dnnl.dnnl_eltwise_linear;
import static org.bytedeco.dnnl.global.dnnl.dnnl_f16;
import static org.bytedeco.dnnl.global.dnnl.dnnl_f32;
import static org.bytedeco.dnnl.global.dnnl.dnnl_success;
import static org.bytedeco.dnnl.global.dnnl.dnnl_unimplemented;

import io.heddle.binding.Product;
import io.heddle.tensor.DType;
import java.util.LinkedHashMap;
import java.util.Map;
import org.bytedeco.dnnl.dnnl_engine;
import org.bytedeco.dnnl.dnnl_exec_arg_t;
import org.bytedeco.dnnl.dnnl_memory;
import org.bytedeco.dnnl.dnnl_memory_desc;
import org.bytedeco.dnnl.dnnl_post_ops;
import org.bytedeco.dnnl.dnnl_primitive;
import org.bytedeco.dnnl.dnnl_primitive_attr;
import org.bytedeco.dnnl.dnnl_primitive_desc;
import org.bytedeco.dnnl.dnnl_stream;
import org.bytedeco.dnnl.dnnl_version_t;
import org.bytedeco.dnnl.global.dnnl;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.Pointer;

/**
 * Matrix products by oneDNN. A primitive is made once per (shape, strides, types, alpha, beta) and
 * kept with its memory objects, so that a later call only sets four addresses. A primitive walks
 * the second operand where it lies, which is slow where that is large; those products go to {@code
 * dnnl_sgemm}, which packs it. Products use all threads themselves, so one runs at a time.
 */
final class Gemm {
  // Measured on Zen 5 (native/study/gemm/NOTES.md): up to 1.5 times as fast from these sizes on.
  private static final long LARGE = 1 << 19; // elements of the second operand
  private static final long ROWS = 512; // if its columns are dense; else any number from
  private static final long FEW = 16;
  // Batches of all lengths make a primitive for each; the one that has waited longest goes.
  private static final int KEPT = 4096;

  private final dnnl_engine engine = new dnnl_engine();
  private final dnnl_stream stream = new dnnl_stream();
  private final Map<Product, Plan> plans = new Plans();
  private final Floats left = new Floats();
  private final Floats right = new Floats();
  private final Floats result = new Floats();

  Gemm() {
    check(dnnl.dnnl_engine_create(engine, dnnl_cpu, 0), "engine");
    check(dnnl.dnnl_stream_create(stream, engine, 1), "stream");
  }

  /** The version of the library. */
  static String version() {
    dnnl_version_t v = dnnl.dnnl_version();
    return v.major() + "." + v.minor() + "." + v.patch();
  }

  /** Whether a product's second operand is worth packing; such a product takes no bias along. */
  static boolean packs(Product p) {
    return p.ab() == DType.F32
        && p.batch() == 1
        && p.k() * p.n() >= LARGE
        && p.m() >= (p.bColumn() == 1 ? FEW : ROWS)
        && (lies(p.aRow(), p.aColumn(), p.k()) || lies(p.aColumn(), p.aRow(), p.m()))
        && (lies(p.bRow(), p.bColumn(), p.n()) || lies(p.bColumn(), p.bRow(), p.k()));
  }

  // Whether lines of that many elements are dense and apart from each other.
  private static boolean lies(long line, long element, long count) {
    return element == 1 && line >= count;
  }

  /** Runs a product that is not empty on the operands at these addresses. */
  synchronized void run(Product product, long a, long b, long bias, long c) {
    if (bias == 0 && packs(product)) {
      pack(product, a, b, c);
      return;
    }
    Plan plan = plans.get(product);
    if (plan == null) {
      plan = new Plan(product);
      plans.put(product, plan);
    }
    plan.execute(a, b, bias, c);
  }

  private void pack(Product p, long a, long b, long c) {
    boolean aRows = lies(p.aRow(), p.aColumn(), p.k());
    boolean bRows = lies(p.bRow(), p.bColumn(), p.n());
    check(
        dnnl.dnnl_sgemm(
            (byte) (aRows ? 'N' : 'T'),
            (byte) (bRows ? 'N' : 'T'),
            p.m(),
            p.n(),
            p.k(),
            p.alpha(),
            left.at(a),
            aRows ? p.aRow() : p.aColumn(),
            right.at(b),
            bRows ? p.bRow() : p.bColumn(),
            p.beta(),
            result.at(c),
            p.cRow()),
        "product");
  }

  private static void check(int status, String what) {
    if (status == dnnl_unimplemented) {
      throw new UnsupportedOperationException("oneDNN has no " + what + " on this CPU");
    }
    if (status != dnnl_success) {
      throw new IllegalStateException("oneDNN: " + what + " failed with status " + status);
    }
  }

  // A pointer whose address can be set, so that a call makes no object.
  private static final class Address extends Pointer {
    Address at(long value) {
      address = value;
      return this;
    }
  }

  private static final class Floats extends FloatPointer {
    Floats() {
      super((Pointer) null);
    }

    Floats at(long value) {
      address = value;
      return this;
    }
  }

  private static final class Plans extends LinkedHashMap<Product, Plan> {
    private static final long serialVersionUID = 1;

    Plans() {
      super(16, 0.75f, true);
    }

    @Override
    protected boolean removeEldestEntry(Map.Entry<Product, Plan> eldest) {
      boolean many = size() > KEPT;
      if (many) {
        eldest.getValue().close();
      }
      return many;
    }
  }

  private final class Plan {
    private final dnnl_primitive primitive = new dnnl_primitive();
    private final dnnl_memory[] memory;
    private final dnnl_exec_arg_t arguments;
    private final Address address = new Address();

    Plan(Product key) {
      dnnl_memory_desc a =
          describe(
              key.ab(), key.batch(), key.m(), key.k(), key.aBatch(), key.aRow(), key.aColumn());
      dnnl_memory_desc b =
          describe(
              key.ab(), key.batch(), key.k(), key.n(), key.bBatch(), key.bRow(), key.bColumn());
      dnnl_memory_desc c =
          describe(key.out(), key.batch(), key.m(), key.n(), key.cBatch(), key.cRow(), 1);
      dnnl_memory_desc bias =
          key.bias() ? describe(key.out(), 1, 1, key.n(), key.n(), key.n(), 1) : null;
      dnnl_primitive_desc descriptor = new dnnl_primitive_desc();
      String what = "product of " + key.ab() + " matrices into " + key.out();
      dnnl_primitive_attr attributes = attributes(key);
      check(
          dnnl.dnnl_matmul_primitive_desc_create(descriptor, engine, a, b, bias, c, attributes),
          what);
      check(dnnl.dnnl_primitive_create(primitive, descriptor), what);
      dnnl_memory_desc[] descs =
          bias == null ? new dnnl_memory_desc[] {a, b, c} : new dnnl_memory_desc[] {a, b, c, bias};
      int[] places = {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST, DNNL_ARG_BIAS};
      memory = new dnnl_memory[descs.length];
      arguments = new dnnl_exec_arg_t(descs.length);
      for (int i = 0; i < descs.length; i++) {
        memory[i] = new dnnl_memory();
        check(dnnl.dnnl_memory_create(memory[i], descs[i], engine, new Pointer()), "memory");
        arguments.position(i).arg(places[i]).memory(memory[i]);
        dnnl.dnnl_memory_desc_destroy(descs[i]);
      }
      arguments.position(0);
      dnnl.dnnl_primitive_desc_destroy(descriptor);
      dnnl.dnnl_primitive_attr_destroy(attributes);
    }

    private static dnnl_memory_desc describe(
        DType dtype, long batch, long rows, long columns, long batchStride, long row, long column) {
      int type =
          switch (dtype) {
            case F32 -> dnnl_f32;
            case BF16 -> dnnl_bf16;
            case F16 -> dnnl_f16;
            default ->
                throw new UnsupportedOperationException("matmul of " + dtype + " on the CPU");
          };
      // A stride of a dimension of size 1 means nothing, but oneDNN checks it against the others.
      long c = columns == 1 && row == 1 ? rows : column;
      long r = rows == 1 && column == 1 ? columns : row;
      boolean flat = batch == 1;
      long[] shape = {batch, rows, columns};
      long[] strides = {flat ? Math.max(r * rows, c * columns) : batchStride, r, c};
      dnnl_memory_desc out = new dnnl_memory_desc();
      check(
          dnnl.dnnl_memory_desc_create_with_strides(out, 3, shape, type, strides),
          "memory descriptor");
      return out;
    }

    private static dnnl_primitive_attr attributes(Product key) {
      dnnl_primitive_attr attributes = new dnnl_primitive_attr();
      check(dnnl.dnnl_primitive_attr_create(attributes), "attributes");
      dnnl_post_ops after = new dnnl_post_ops();
      check(dnnl.dnnl_post_ops_create(after), "post-ops");
      if (key.alpha() != 1) {
        check(
            dnnl.dnnl_post_ops_append_eltwise(after, dnnl_eltwise_linear, key.alpha(), 0), "alpha");
      }
      if (key.beta() != 0) {
        check(dnnl.dnnl_post_ops_append_sum(after, key.beta(), 0, 0), "beta");
      }
      check(dnnl.dnnl_primitive_attr_set_post_ops(attributes, after), "post-ops");
      dnnl.dnnl_post_ops_destroy(after);
      return attributes;
    }

    void execute(long a, long b, long bias, long c) {
      set(0, a);
      set(1, b);
      set(2, c);
      if (memory.length > 3) {
        set(3, bias);
      }
      check(dnnl.dnnl_primitive_execute(primitive, stream, memory.length, arguments), "product");
      check(dnnl.dnnl_stream_wait(stream), "product");
    }

    void close() {
      check(dnnl.dnnl_primitive_destroy(primitive), "end of a product");
      for (dnnl_memory one : memory) {
        check(dnnl.dnnl_memory_destroy(one), "end of a product");
      }
    }

    private void set(int i, long value) {
      check(dnnl.dnnl_memory_set_data_handle(memory[i], address.at(value)), "memory");
    }
  }
}
