package io.heddle.binding;

import io.heddle.backend.Backend;
import io.heddle.backend.BackendOptions;
import io.heddle.backend.DeviceException;
import io.heddle.backend.Graph;
import io.heddle.backend.profile.Profile;
import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.tensor.Memory;
import io.heddle.tensor.OutOfNativeMemoryException;
import io.heddle.tensor.Scope;
import io.heddle.tensor.Storage;
import io.heddle.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.jspecify.annotations.Nullable;

/**
 * A backend behind the door. A call writes the addresses of the tensors' descriptors and the
 * parameters into memory of the calling thread, takes a lease on every tensor, and crosses once.
 */
public abstract class NativeBackend implements Backend {
  /** {@link Params.Binary}'s kind of an addition. */
  protected static final int ADD = 0;

  private final String name;
  private final int index;
  protected final Door door;
  protected final Transport transport;
  protected final long context;

  // The context's own lease: every call and every block of memory holds one, so that a close takes
  // effect when the last of them is done, and a call after it is refused.
  private final Storage life;
  private final boolean careful;

  // The one under way, of whichever thread; null for none.
  private volatile @Nullable Recording recording;

  /** Opens a context of the backend called {@code name}. */
  @SuppressWarnings("this-escape") // released is called after a close, long after this constructor
  protected NativeBackend(String name, Door door, BackendOptions options) {
    this.name = name;
    this.door = door;
    this.transport = door.transport();
    this.index = door.backend(name);
    this.context = transport.open(index, options.device(), options.threads());
    if (context == 0) {
      throw new IllegalStateException(Door.text(transport::lastError));
    }
    this.careful = Boolean.getBoolean("heddle.sync");
    if (careful) {
      door.check(transport.careful(context, 1));
    }
    this.life =
        Storage.host(
            MemorySegment.NULL,
            none -> {
              released();
              door.check(transport.close(context));
            });
  }

  /**
   * Runs once, when the backend is closed and nothing uses it any more, before its context goes.
   */
  protected void released() {}

  /** Takes a lease on the context; throws when the backend is closed. */
  protected final void enter() {
    if (life.isClosed()) {
      throw new IllegalStateException("backend '" + name + "' is closed");
    }
    life.acquire();
  }

  /** Whether to wait after every call, so that an error is told where it happened. */
  protected final boolean careful() {
    return careful;
  }

  /** Gives the lease back. */
  protected final void leave() {
    life.release();
  }

  @Override
  public final String name() {
    return name;
  }

  @Override
  public String describe() {
    return Door.text((t, n) -> transport.backendDescribe(index, t, n));
  }

  @Override
  public final Memory memory() {
    return this::allocate;
  }

  /** Turns an address from {@code hd_alloc} into a storage. */
  protected abstract Storage storage(long address, long bytes, Storage.Release release);

  private Storage allocate(long bytes) {
    enter();
    long address = transport.alloc(context, bytes);
    if (address == 0) {
      String causes = Door.text(transport::lastError);
      leave();
      throw new OutOfNativeMemoryException(causes);
    }
    Storage made = storage(address, bytes, this::free);
    Recording open = recording;
    if (open != null) {
      open.made(made);
    }
    return made;
  }

  // A recording that is under way keeps what it touches.
  private void touched(Tensor tensor) {
    Recording open = recording;
    if (open != null) {
      open.touched(tensor.storage());
    }
  }

  /** Copies bytes on the device, or between it and the host: then they have arrived on return. */
  protected final void move(long to, long from, long bytes) {
    enter();
    try {
      door.check(transport.copy(context, to, from, bytes));
    } finally {
      leave();
    }
  }

  // The block's lease has kept the context, so memory may be given back after the backend's close.
  private void free(long address) {
    try {
      door.check(transport.free(context, address));
    } finally {
      leave();
    }
  }

  // The enum is generated from the table whose row number the door expects.
  @SuppressWarnings("EnumOrdinal")
  private static int number(OpCode op) {
    return op.ordinal();
  }

  @Override
  public final boolean supports(OpCode op) {
    return transport.opSupported(index, number(op)) != 0;
  }

  @Override
  public final void run(OpCode op, Params params, @Nullable Tensor... tensors) {
    if (tensors.length > Frame.MAX_TENSORS) {
      throw new IllegalArgumentException(
          op.opName() + " with " + tensors.length + " tensors; at most " + Frame.MAX_TENSORS);
    }
    Frame frame = Frame.ofThread();
    MemorySegment descriptors = frame.descriptors();
    MemorySegment values = frame.values();
    params.writeTo(values);
    int held = 0;
    int status;
    Profile.Span span = Profile.begin();
    enter();
    try {
      for (Tensor tensor : tensors) {
        long descriptor = 0;
        if (tensor != null) {
          if (tensor.storage().isReadOnly() && op.signature().isOutput(held, tensors.length)) {
            throw readOnly(op.opName(), tensor);
          }
          tensor.storage().acquire();
          touched(tensor);
          descriptor = Descriptor.of(tensor);
        }
        descriptors.setAtIndex(ValueLayout.JAVA_LONG, held, descriptor);
        held++;
      }
      status =
          transport.run(
              context, number(op), descriptors.address(), held, values.address(), params.bytes());
      if (span != null) {
        span.end(name, op, tensors);
      }
    } catch (IllegalStateException e) {
      String which = op.signature().name(held, tensors.length);
      throw new IllegalStateException(op.opName() + ": tensor '" + which + "' is closed", e);
    } finally {
      for (int i = 0; i < held; i++) {
        Tensor tensor = tensors[i];
        if (tensor != null) {
          tensor.storage().release();
        }
      }
      leave();
    }
    door.check(status);
  }

  // Native code would not ask: the write would end the process.
  private static IllegalArgumentException readOnly(String what, Tensor tensor) {
    return new IllegalArgumentException(
        what + " would write " + tensor + ", which lies in a file that is mapped for reading");
  }

  /**
   * The matrix product of checked, held operands, none of them empty; see {@link
   * io.heddle.backend.Backend#matmul}.
   */
  protected abstract void multiply(
      Product product, Tensor a, Tensor b, @Nullable Tensor bias, Tensor c);

  @Override
  public final void matmul(
      Tensor a, Tensor b, @Nullable Tensor bias, Tensor c, float alpha, float beta) {
    Product product = Product.of(a, b, bias, c, alpha, beta);
    if (c.storage().isReadOnly()) {
      throw readOnly("matmul", c);
    }
    Tensor[] all = bias == null ? new Tensor[] {a, b, c} : new Tensor[] {a, b, c, bias};
    int held = 0;
    Profile.Span span = Profile.begin();
    enter();
    try {
      for (Tensor tensor : all) {
        tensor.storage().acquire();
        touched(tensor);
        held++;
      }
      if (c.size() > 0 && product.k() > 0) {
        multiply(product, a, b, bias, c);
      } else if (c.size() > 0) {
        withoutTerms(bias, c, beta);
      }
      if (careful) {
        awaited(product);
      }
      if (span != null) {
        span.end(name, "matmul", product.flops(), all);
      }
    } finally {
      for (int i = 0; i < held; i++) {
        all[i].storage().release();
      }
      leave();
    }
  }

  /** {@code c = beta c + bias}: what a product without terms leaves. */
  protected final void withoutTerms(@Nullable Tensor bias, Tensor c, float beta) {
    try (Scope scope = new Scope(memory())) {
      Tensor added = bias != null ? bias : scope.tensor(c.dtype(), 1).copyFrom(new float[1]);
      Tensor all = added.expand(c.shape());
      if (beta == 0) {
        run(OpCode.COPY, new Params.None(), all, c);
      } else {
        run(OpCode.BINARY, new Params.Binary(ADD, beta, 1), c, all, c);
      }
    }
  }

  private void awaited(Product product) {
    try {
      door.check(transport.sync(context));
    } catch (DeviceException e) {
      throw new DeviceException(e.getMessage() + "\nin the " + product + " on " + name);
    }
  }

  @Override
  public final void transfer(Tensor from, Tensor to) {
    if (from.dtype() != to.dtype()
        || from.size() != to.size()
        || !from.isContiguous()
        || !to.isContiguous()) {
      throw new IllegalArgumentException(
          "transfer from " + from + " to " + to + ": they must be alike and contiguous");
    }
    if (to.storage().isReadOnly()) {
      throw readOnly("transfer", to);
    }
    enter();
    try {
      from.storage().acquire();
    } catch (IllegalStateException e) {
      leave();
      throw e;
    }
    try {
      to.storage().acquire();
      try {
        long bytes = from.size() * from.dtype().bytes();
        touched(from);
        touched(to);
        door.check(transport.copy(context, to.address(), from.address(), bytes));
      } finally {
        to.storage().release();
      }
    } finally {
      from.storage().release();
      leave();
    }
  }

  @Override
  public final void synchronize() {
    enter();
    try {
      door.check(transport.sync(context));
    } finally {
      leave();
    }
  }

  @Override
  public Graph capture(Runnable body) {
    enter();
    Recording made = null;
    try {
      int status = transport.captureBegin(context);
      if (status == Door.UNSUPPORTED) {
        return Backend.super.capture(body);
      }
      door.check(status);
      made = recorded(body);
      return made;
    } finally {
      if (made == null) {
        leave();
      }
    }
  }

  private Recording recorded(Runnable body) {
    Recording open = new Recording(this::replay, this::forget);
    MemorySegment number = Frame.ofThread().descriptors();
    boolean whole = false;
    recording = open;
    try {
      body.run();
      recording = null;
      whole = true;
      door.check(transport.captureEnd(context, number.address()));
      open.done(number.get(ValueLayout.JAVA_LONG, 0));
      return open;
    } finally {
      recording = null;
      if (!whole) {
        door.check(transport.captureEnd(context, 0));
      }
      open.settle();
    }
  }

  private void replay(long number) {
    Profile.Span span = Profile.begin();
    enter();
    try {
      door.check(transport.replay(context, number));
    } finally {
      leave();
    }
    if (span != null) {
      span.end(name, "graph", 0, new Tensor[0]);
    }
  }

  // The recording's lease has kept the context.
  private void forget(long number) {
    try {
      door.check(transport.forget(context, number));
    } finally {
      leave();
    }
  }

  @Override
  public void close() {
    life.close();
  }
}
