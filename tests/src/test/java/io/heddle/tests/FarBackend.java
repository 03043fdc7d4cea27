package io.heddle.tests;

import io.heddle.backend.Backend;
import io.heddle.backend.BackendOptions;
import io.heddle.backend.BackendProvider;
import io.heddle.backend.Backends;
import io.heddle.backend.Probe;
import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.tensor.Memory;
import io.heddle.tensor.Storage;
import io.heddle.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * The CPU backend behind memory that says it is a device's: whoever touches it from the host, or
 * gives an op a tensor of the host, fails here as on a GPU. Results are the CPU's, bit for bit.
 */
final class FarBackend implements Backend {
  static final String NAME = "far";

  private static final int DEVICE = 0;

  private final Backend near;
  private final Map<Long, Storage> blocks = new ConcurrentHashMap<>();

  FarBackend(BackendOptions options) {
    this.near = Backends.open("cpu", options);
  }

  /** Lets tests open it by name. */
  public static final class Provider implements BackendProvider {
    /** For ServiceLoader. */
    public Provider() {}

    @Override
    public String name() {
      return NAME;
    }

    @Override
    public int rank() {
      return -1; // never by 'auto'
    }

    @Override
    public Probe probe() {
      return new Probe(BackendsUnderTest.haveNative(), "the CPU backend as a device");
    }

    @Override
    public Backend open(BackendOptions options) {
      return new FarBackend(options);
    }
  }

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public String describe() {
    return near.describe();
  }

  @Override
  public Memory memory() {
    return bytes -> {
      Storage block = near.memory().allocate(bytes);
      blocks.put(block.address(), block);
      return Storage.device(block.address(), bytes, DEVICE, FarBackend::move, this::free);
    };
  }

  private void free(long address) {
    Storage block = blocks.remove(address);
    if (block != null) {
      block.close();
    }
  }

  @SuppressWarnings("restricted") // addresses of live blocks, or of segments that the caller holds
  private static void move(long to, long from, long bytes) {
    MemorySegment.ofAddress(to)
        .reinterpret(bytes)
        .copyFrom(MemorySegment.ofAddress(from).reinterpret(bytes));
  }

  // The same view of the block behind a far tensor.
  private @Nullable Tensor near(@Nullable Tensor tensor) {
    if (tensor == null) {
      return null;
    }
    Storage storage = tensor.storage();
    if (storage.device() != DEVICE) {
      throw new IllegalArgumentException(
          tensor + " is in host memory, not on GPU " + DEVICE + "; copy it there first");
    }
    Storage block = storage.isClosed() ? null : blocks.get(storage.address());
    if (block == null) {
      throw new IllegalStateException(tensor + " is closed");
    }
    Tensor view = tensor.over(block, tensor.address() - storage.address());
    return tensor.name() == null ? view : view.named(tensor.name());
  }

  private static Tensor known(@Nullable Tensor tensor) {
    return java.util.Objects.requireNonNull(tensor);
  }

  @Override
  public boolean supports(OpCode op) {
    return near.supports(op);
  }

  @Override
  public void run(OpCode op, Params params, @Nullable Tensor... tensors) {
    @Nullable Tensor[] views = new Tensor[tensors.length];
    for (int i = 0; i < views.length; i++) {
      Tensor tensor = tensors[i];
      boolean weights = op == OpCode.LINEAR_COMBINATION && i == 1; // taken from either side
      boolean host = weights && tensor != null && tensor.storage().device() < 0;
      views[i] = host ? tensor : near(tensor);
    }
    near.run(op, params, views);
  }

  @Override
  public void matmul(Tensor a, Tensor b, @Nullable Tensor bias, Tensor c, float alpha, float beta) {
    near.matmul(known(near(a)), known(near(b)), near(bias), known(near(c)), alpha, beta);
  }

  @Override
  public void transfer(Tensor from, Tensor to) {
    near.transfer(onEitherSide(from), onEitherSide(to));
  }

  private Tensor onEitherSide(Tensor tensor) {
    return tensor.storage().device() < 0 ? tensor : known(near(tensor));
  }

  @Override
  public void synchronize() {
    near.synchronize();
  }

  @Override
  public void close() {
    near.close();
  }
}
