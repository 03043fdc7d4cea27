package io.heddle.binding.ffm;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.heddle.binding.Transport;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;

/**
 * Calls the door through the JDK's foreign function API. Handles are static and final, so that the
 * JIT compiles each call to a direct one. {@code libheddle} must be loaded (by the class loader of
 * this class) before the class is used.
 */
public final class FfmTransport implements Transport {
  private static final MethodHandle ABI_VERSION = handle("hd_abi_version", JAVA_INT);
  private static final MethodHandle BACKEND_COUNT = handle("hd_backend_count", JAVA_INT);
  private static final MethodHandle BACKEND_NAME =
      handle("hd_backend_name", JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_LONG);
  private static final MethodHandle BACKEND_PROBE =
      handle("hd_backend_probe", JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_LONG);
  private static final MethodHandle BACKEND_DESCRIBE =
      handle("hd_backend_describe", JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_LONG);
  private static final MethodHandle OP_COUNT = handle("hd_op_count", JAVA_INT);
  private static final MethodHandle OP_NAME =
      handle("hd_op_name", JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_LONG);
  private static final MethodHandle OP_SIGNATURE =
      handle("hd_op_signature", JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_LONG);
  private static final MethodHandle OP_PARAMS_BYTES =
      handle("hd_op_params_bytes", JAVA_LONG, JAVA_INT);
  private static final MethodHandle OP_SUPPORTED =
      handle("hd_op_supported", JAVA_INT, JAVA_INT, JAVA_INT);
  private static final MethodHandle OPEN =
      handle("hd_open", JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT);
  private static final MethodHandle CLOSE = handle("hd_close", JAVA_INT, JAVA_LONG);
  private static final MethodHandle USE_THREADS = handle("hd_use_threads", JAVA_INT, JAVA_LONG);
  private static final MethodHandle STREAM = handle("hd_stream", JAVA_LONG, JAVA_LONG);
  private static final MethodHandle CAREFUL = handle("hd_careful", JAVA_INT, JAVA_LONG, JAVA_INT);
  private static final MethodHandle ALLOC = handle("hd_alloc", JAVA_LONG, JAVA_LONG, JAVA_LONG);
  private static final MethodHandle FREE = handle("hd_free", JAVA_INT, JAVA_LONG, JAVA_LONG);
  private static final MethodHandle COPY =
      handle("hd_copy", JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG);
  private static final MethodHandle FILL =
      handle("hd_fill", JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_LONG);
  private static final MethodHandle SYNC = handle("hd_sync", JAVA_INT, JAVA_LONG);
  private static final MethodHandle RUN =
      handle("hd_run", JAVA_INT, JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_LONG);
  private static final MethodHandle CAPTURE_BEGIN = handle("hd_capture_begin", JAVA_INT, JAVA_LONG);
  private static final MethodHandle CAPTURE_END =
      handle("hd_capture_end", JAVA_INT, JAVA_LONG, JAVA_LONG);
  private static final MethodHandle REPLAY = handle("hd_replay", JAVA_INT, JAVA_LONG, JAVA_LONG);
  private static final MethodHandle FORGET = handle("hd_forget", JAVA_INT, JAVA_LONG, JAVA_LONG);
  private static final MethodHandle LAST_ERROR =
      handle("hd_last_error", JAVA_LONG, JAVA_LONG, JAVA_LONG);

  @SuppressWarnings("restricted") // this module is the one that is granted native access
  private static MethodHandle handle(String name, MemoryLayout result, MemoryLayout... arguments) {
    return Linker.nativeLinker()
        .downcallHandle(
            SymbolLookup.loaderLookup().findOrThrow(name),
            FunctionDescriptor.of(result, arguments));
  }

  // A downcall handle throws nothing of its own; Throwable is only in invokeExact's signature.
  private static AssertionError unexpected(Throwable thrown) {
    return new AssertionError("a downcall threw", thrown);
  }

  @Override
  public String name() {
    return "ffm";
  }

  @Override
  public int abiVersion() {
    try {
      return (int) ABI_VERSION.invokeExact();
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  @Override
  public int backendCount() {
    try {
      return (int) BACKEND_COUNT.invokeExact();
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  @Override
  public long backendName(int backend, long text, long capacity) {
    try {
      return (long) BACKEND_NAME.invokeExact(backend, text, capacity);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  @Override
  public int backendProbe(int backend, long text, long capacity) {
    try {
      return (int) BACKEND_PROBE.invokeExact(backend, text, capacity);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  @Override
  public long backendDescribe(int backend, long text, long capacity) {
    try {
      return (long) BACKEND_DESCRIBE.invokeExact(backend, text, capacity);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  @Override
  public int opCount() {
    try {
      return (int) OP_COUNT.invokeExact();
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  @Override
  public long opName(int op, long text, long capacity) {
    try {
      return (long) OP_NAME.invokeExact(op, text, capacity);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  @Override
  public long opSignature(int op, long text, long capacity) {
    try {
      return (long) OP_SIGNATURE.invokeExact(op, text, capacity);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  @Override
  public long opParamsBytes(int op) {
    try {
      return (long) OP_PARAMS_BYTES.invokeExact(op);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  @Override
  public int opSupported(int backend, int op) {
    try {
      return (int) OP_SUPPORTED.invokeExact(backend, op);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  @Override
  public long open(int backend, int device, int threads) {
    try {
      return (long) OPEN.invokeExact(backend, device, threads);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  @Override
  public int close(long context) {
    try {
      return (int) CLOSE.invokeExact(context);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  @Override
  public int useThreads(long context) {
    try {
      return (int) USE_THREADS.invokeExact(context);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  @Override
  public long stream(long context) {
    try {
      return (long) STREAM.invokeExact(context);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  @Override
  public int careful(long context, int careful) {
    try {
      return (int) CAREFUL.invokeExact(context, careful);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  @Override
  public long alloc(long context, long bytes) {
    try {
      return (long) ALLOC.invokeExact(context, bytes);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  @Override
  public int free(long context, long data) {
    try {
      return (int) FREE.invokeExact(context, data);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  @Override
  public int copy(long context, long to, long from, long bytes) {
    try {
      return (int) COPY.invokeExact(context, to, from, bytes);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  @Override
  public int fill(long context, long data, int value, long bytes) {
    try {
      return (int) FILL.invokeExact(context, data, value, bytes);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  @Override
  public int sync(long context) {
    try {
      return (int) SYNC.invokeExact(context);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  @Override
  public int run(long context, int op, long tensors, int n, long params, long bytes) {
    try {
      return (int) RUN.invokeExact(context, op, tensors, n, params, bytes);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  @Override
  public int captureBegin(long context) {
    try {
      return (int) CAPTURE_BEGIN.invokeExact(context);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  @Override
  public int captureEnd(long context, long recording) {
    try {
      return (int) CAPTURE_END.invokeExact(context, recording);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  @Override
  public int replay(long context, long recording) {
    try {
      return (int) REPLAY.invokeExact(context, recording);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  @Override
  public int forget(long context, long recording) {
    try {
      return (int) FORGET.invokeExact(context, recording);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  @Override
  public long lastError(long text, long capacity) {
    try {
      return (long) LAST_ERROR.invokeExact(text, capacity);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }
}
