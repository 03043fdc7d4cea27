package io.heddle.bench;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.heddle.op.OpCode;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;

/**
 * The door as C++ sees it: a native loop over {@code hd_run} in a context of its own. Libheddle
 * must be loaded before.
 */
@SuppressWarnings("restricted") // native calls are what is measured
final class DoorCaller implements AutoCloseable {
  private static final MethodHandle LOOP =
      Machine.handle(
          "hd_bench_door",
          FunctionDescriptor.of(JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_LONG));

  private final long run = SymbolLookup.loaderLookup().findOrThrow("hd_run").address();
  private final long context;

  DoorCaller() {
    try {
      context =
          (long)
              door("hd_open", FunctionDescriptor.of(JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT))
                  .invokeExact(0, 0, 1);
    } catch (Throwable e) {
      throw new IllegalStateException("hd_open", e);
    }
  }

  private static MethodHandle door(String name, FunctionDescriptor descriptor) {
    return Linker.nativeLinker()
        .downcallHandle(SymbolLookup.loaderLookup().findOrThrow(name), descriptor);
  }

  /** Copies one number so many times. */
  @SuppressWarnings("EnumOrdinal") // the door counts ops as the table does
  void copies(long calls) {
    try {
      long failed = (long) LOOP.invokeExact(run, context, OpCode.COPY.ordinal(), calls);
      if (failed != 0) {
        throw new IllegalStateException("a call of the door failed");
      }
    } catch (Throwable e) {
      throw new IllegalStateException("hd_run", e);
    }
  }

  @Override
  public void close() {
    try {
      int unused =
          (int) door("hd_close", FunctionDescriptor.of(JAVA_INT, JAVA_LONG)).invokeExact(context);
    } catch (Throwable e) {
      throw new IllegalStateException("hd_close", e);
    }
  }
}
