package io.heddle.binding.cuda;

import io.heddle.backend.BackendOptions;
import io.heddle.backend.Graph;
import io.heddle.backend.RecurrentLibrary;
import io.heddle.backend.collective.Collective;
import io.heddle.backend.collective.Meeting;
import io.heddle.binding.Door;
import io.heddle.binding.NativeBackend;
import io.heddle.binding.Product;
import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.tensor.OutOfNativeMemoryException;
import io.heddle.tensor.Scope;
import io.heddle.tensor.Storage;
import io.heddle.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * The plugin's kernels on one GPU, matrix products through cuBLASLt and recurrent layers through
 * cuDNN. Each library is loaded when it is first needed: without it everything else works.
 */
public final class CudaBackend extends NativeBackend {
  // Elements to which the rows of a repacked operand are padded: 32 bytes of the smallest type.
  private static final int PADDING = 16;

  // The library's fast kernels read and write rows in whole runs of this many bytes. Of larger
  // products than this many multiplications, what is left over is formed by itself.
  private static final int RUN_BYTES = 16;
  private static final long LARGE = 1L << 30;

  private static final Pattern UUID = Pattern.compile("\"uuid\":\"([^\"]*)\"");
  private static final Pattern NAME = Pattern.compile("\"name\":\"([^\"]*)\"");

  private final int device;
  private final Object products = new Object();
  private final RecurrentLibrary layers = new Layers();
  private @Nullable CudaGemm gemm;
  private @Nullable CudaRecurrent recurrent;
  private long workspace;

  /** Opens the device of {@code options}. */
  public CudaBackend(Door door, BackendOptions options) {
    super("cuda", door, options);
    this.device = options.device();
  }

  @Override
  protected Storage storage(long address, long bytes, Storage.Release release) {
    return Storage.device(address, bytes, device, this::move, release);
  }

  // Products come from here, not from the plugin, which makes other threads' calls wait while one
  // records.
  @Override
  public Graph capture(Runnable body) {
    synchronized (products) {
      return super.capture(body);
    }
  }

  @Override
  public boolean records() {
    return true;
  }

  private CudaGemm gemm(long stream) {
    CudaGemm known = gemm;
    if (known == null) {
      String failure = CudaLibraries.CUBLASLT.load();
      if (failure != null) {
        throw new UnsupportedOperationException(failure);
      }
      workspace = allocated(CudaGemm.WORKSPACE_BYTES);
      String gpu = fact(NAME, super.describe());
      known = new CudaGemm(stream, workspace, GemmAlgorithms.named(trials(), gpu));
      gemm = known;
    }
    return known;
  }

  private GemmAlgorithms.Device trials() {
    return new GemmAlgorithms.Device() {
      @Override
      public long alloc(long bytes) {
        return allocated(bytes);
      }

      @Override
      public void free(long address) {
        release(address);
      }

      @Override
      public void sync() {
        door.check(transport.sync(context));
      }
    };
  }

  private long allocated(long bytes) {
    long address = transport.alloc(context, bytes);
    if (address == 0) {
      throw new OutOfNativeMemoryException(Door.text(transport::lastError));
    }
    return address;
  }

  @Override
  protected void multiply(Product product, Tensor a, Tensor b, @Nullable Tensor bias, Tensor c) {
    here("matmul", a, b, bias, c);
    if (product.m() * product.n() >= LARGE / product.k() && inParts(product, a, b, bias, c)) {
      return;
    }
    synchronized (products) {
      CudaGemm library = gemm(transport.stream(context)); // makes the device this thread's
      if (!run(library, product, a, b, bias, c)) {
        repacked(library, product, a, b, bias, c);
      }
    }
  }

  // A vocabulary of 50257, for one: 50256 and 1. At 16 bits the odd product takes four times as
  // long.
  private boolean inParts(Product p, Tensor a, Tensor b, @Nullable Tensor bias, Tensor c) {
    long run = RUN_BYTES / p.ab().bytes();
    long n = p.n() - p.n() % run;
    if (n < p.n() && n > 0) {
      for (long[] part : new long[][] {{0, n}, {n, p.n()}}) {
        Tensor of = bias == null ? null : bias.view(p.n()).slice(0, part[0], part[1]);
        part(p, a, b.slice(-1, part[0], part[1]), of, c.slice(-1, part[0], part[1]), p.beta());
      }
      return true;
    }
    long m = p.m() - p.m() % run;
    if (m < p.m() && m > 0 && p.aRow() == 1) {
      part(p, a.slice(-2, 0, m), b, bias, c.slice(-2, 0, m), p.beta());
      part(p, a.slice(-2, m, p.m()), b, bias, c.slice(-2, m, p.m()), p.beta());
      return true;
    }
    long k = p.k() - p.k() % run;
    if (k < p.k() && k > 0 && (p.aColumn() == 1 || p.bRow() == 1)) {
      // The small part first: the result's type rounds it to next to nothing.
      part(p, a.slice(-1, k, p.k()), b.slice(-2, k, p.k()), null, c, p.beta());
      part(p, a.slice(-1, 0, k), b.slice(-2, 0, k), bias, c, 1);
      return true;
    }
    return false;
  }

  private void part(
      Product whole, Tensor a, Tensor b, @Nullable Tensor bias, Tensor c, float beta) {
    multiply(Product.of(a, b, bias, c, whole.alpha(), beta), a, b, bias, c);
  }

  private void here(String what, @Nullable Tensor... tensors) {
    for (Tensor tensor : tensors) {
      if (tensor != null && tensor.storage().device() != device) {
        String where = tensor.storage().device() < 0 ? "in host memory" : "in another GPU's memory";
        throw new IllegalArgumentException(
            what + ": " + tensor + " is " + where + ", not on GPU " + device);
      }
    }
  }

  private static boolean run(
      CudaGemm gemm, Product product, Tensor a, Tensor b, @Nullable Tensor bias, Tensor c) {
    return gemm.run(
        product, a.address(), b.address(), bias == null ? 0 : bias.address(), c.address());
  }

  // Strides or alignments that the library does not take: the product is formed on copies.
  private void repacked(
      CudaGemm gemm, Product product, Tensor a, Tensor b, @Nullable Tensor bias, Tensor c) {
    try (Scope scope = new Scope(memory())) {
      Tensor x = copied(scope, a, true);
      Tensor y = copied(scope, b, true);
      Tensor add = bias == null ? null : copied(scope, bias, true);
      Tensor sum = copied(scope, c, product.beta() != 0);
      Product packed = Product.of(x, y, add, sum, product.alpha(), product.beta());
      if (!run(gemm, packed, x, y, add, sum)) {
        throw new UnsupportedOperationException("cuBLASLt has no algorithm for the " + product);
      }
      run(OpCode.COPY, new Params.None(), sum, c);
    }
  }

  private Tensor copied(Scope scope, Tensor from, boolean content) {
    long[] shape = from.shape();
    int last = shape.length - 1;
    long columns = shape[last];
    shape[last] = (columns + PADDING - 1) / PADDING * PADDING;
    Tensor to = scope.tensor(from.dtype(), shape).slice(last, 0, columns);
    if (content) {
      run(OpCode.COPY, new Params.None(), from, to);
    }
    return to;
  }

  /** Recurrent layers by cuDNN, loaded at the first one: without it everything else works. */
  @Override
  public RecurrentLibrary recurrent() {
    return layers;
  }

  // cuDNN names cuBLAS, which must be the one that products use; the preset of NCCL names
  // libcudart.
  private static void need(CudaLibraries library) {
    String failure = CudaLibraries.CUBLASLT.load();
    if (failure == null) {
      failure = library.load();
    }
    if (failure != null) {
      throw new UnsupportedOperationException(failure);
    }
  }

  /** Sums by NCCL, loaded here: without it everything on one GPU works. */
  @Override
  public Collective collective(Meeting meeting) {
    need(CudaLibraries.NCCL);
    return new CudaCollective(this, meeting, transport.stream(context));
  }

  private synchronized CudaRecurrent cudnn(long stream) {
    CudaRecurrent known = recurrent;
    if (known == null) {
      need(CudaLibraries.CUDNN);
      known = new CudaRecurrent(this, stream);
      recurrent = known;
    }
    return known;
  }

  // The context is held while the library works on it; transport.stream makes the device current.
  private <T> T recurring(Function<CudaRecurrent, T> work) {
    enter();
    try {
      T result = work.apply(cudnn(transport.stream(context)));
      if (careful()) {
        door.check(transport.sync(context));
      }
      return result;
    } finally {
      leave();
    }
  }

  private final class Layers implements RecurrentLibrary {
    @Override
    public List<Tensor> forward(
        Params.Recurrent params,
        Tensor x,
        int @Nullable [] lengths,
        Weights weights,
        State before,
        Tensor y,
        State after,
        @Nullable Scope keep) {
      here("a recurrent layer", x, weights.input(), weights.hidden(), y);
      return recurring(lib -> lib.forward(params, x, lengths, weights, before, y, after, keep));
    }

    @Override
    public void backward(
        Params.Recurrent params,
        Tensor x,
        int @Nullable [] lengths,
        State before,
        Tensor y,
        List<Tensor> kept,
        Tensor dy,
        State later,
        Tensor dx,
        Weights dweights,
        State dbefore) {
      here("a recurrent layer", x, y, dy, dx);
      recurring(
          lib -> {
            lib.backward(params, x, lengths, before, y, kept, dy, later, dx, dweights, dbefore);
            return lib;
          });
    }
  }

  /** Puts numbers into memory of the device that {@link #release} gives back. */
  long lengths(int[] values) {
    long bytes = 4L * values.length;
    long address = allocated(bytes);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment from = arena.allocateFrom(ValueLayout.JAVA_INT, values);
      door.check(transport.copy(context, address, from.address(), bytes));
    }
    return address;
  }

  /** Gives memory of the device back. */
  void release(long address) {
    door.check(transport.free(context, address));
  }

  /** Sets all bytes of a contiguous tensor to 0. */
  void clear(Tensor tensor) {
    long bytes = tensor.size() * tensor.dtype().bytes();
    door.check(transport.fill(context, tensor.address(), 0, bytes));
  }

  @Override
  protected void released() {
    CudaRecurrent layered = recurrent;
    if (layered != null) {
      transport.stream(context);
      layered.close();
    }
    CudaGemm open = gemm;
    if (open != null) {
      transport.stream(context);
      open.close();
      release(workspace);
    }
  }

  @Override
  public String describe() {
    String facts = super.describe();
    return facts.substring(0, facts.length() - 1)
        + ",\"cublaslt\":"
        + quoted(CudaLibraries.CUBLASLT.fact())
        + ",\"cudnn\":"
        + quoted(fact(CudaLibraries.CUDNN))
        + ",\"nccl\":"
        + quoted(fact(CudaLibraries.NCCL))
        + ",\"nvml\":"
        + quoted(GpuFacts.of(fact(UUID, facts)))
        + "}";
  }

  // Those that need cuBLAS or what comes with it.
  private static String fact(CudaLibraries library) {
    String products = CudaLibraries.CUBLASLT.load();
    return products == null ? library.fact() : "not loaded: " + products;
  }

  private static String quoted(String text) {
    return '"' + text.replace("\\", "\\\\").replace("\"", "\\\"").replace('\n', ' ') + '"';
  }

  // The plugin's JSON lists the devices by ordinal; this module reads no JSON otherwise.
  private String fact(Pattern wanted, String facts) {
    Matcher each = wanted.matcher(facts);
    for (int i = 0; each.find(); i++) {
      if (i == Math.max(device, 0)) {
        return each.group(1);
      }
    }
    return "unknown";
  }
}
