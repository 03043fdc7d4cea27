package io.heddle.binding.cpu;

import io.heddle.backend.BackendOptions;
import io.heddle.binding.Door;
import io.heddle.binding.NativeBackend;
import io.heddle.binding.Product;
import io.heddle.tensor.Storage;
import io.heddle.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** The CPU kernels of libheddle, and matrix products through oneDNN. */
public final class CpuBackend extends NativeBackend {
  // Made with the first product: loading oneDNN takes longer than a small merge.
  private @Nullable Gemm gemm;

  /** Opens a context with the threads of {@code options}. */
  public CpuBackend(Door door, BackendOptions options) {
    super("cpu", door, options);
  }

  // The library's allocator gave these bytes; the storage's release gives them back.
  @Override
  @SuppressWarnings("restricted")
  protected Storage storage(long address, long bytes, Storage.Release release) {
    return Storage.host(MemorySegment.ofAddress(address).reinterpret(bytes), release);
  }

  // oneDNN's factor would fall on the bias too, and a product that packs takes none: then the bias
  // is there before the product is added.
  @Override
  protected void multiply(Product product, Tensor a, Tensor b, @Nullable Tensor bias, Tensor c) {
    if (bias != null && (product.alpha() != 1 || Gemm.packs(product))) {
      withoutTerms(bias, c, product.beta());
      multiply(Product.of(a, b, null, c, product.alpha(), 1), a, b, null, c);
      return;
    }
    door.check(transport.useThreads(context));
    gemm().run(product, a.address(), b.address(), bias == null ? 0 : bias.address(), c.address());
  }

  private synchronized Gemm gemm() {
    Gemm made = gemm;
    if (made == null) {
      made = new Gemm();
      gemm = made;
    }
    return made;
  }

  @Override
  public String describe() {
    String facts = super.describe();
    return facts.substring(0, facts.length() - 1) + ",\"onednn\":\"" + Gemm.version() + "\"}";
  }
}
