package io.heddle.bench;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/** A native function that does nothing, called in every way there is. */
@SuppressWarnings("restricted") // native calls are what is measured
final class EmptyCall {
  private static final FunctionDescriptor LONG_TO_LONG =
      FunctionDescriptor.of(ValueLayout.JAVA_LONG, ValueLayout.JAVA_LONG);
  private static final MethodHandle FFM = Machine.handle("hd_bench_empty", LONG_TO_LONG);
  private static final MethodHandle CRITICAL =
      Machine.handle("hd_bench_empty", LONG_TO_LONG, Linker.Option.critical(false));

  static {
    System.load(Machine.path().toString());
  }

  private EmptyCall() {}

  /** Through JNI. */
  static native long jni(long x);

  /** Through the foreign function interface. */
  static long ffm(long x) {
    try {
      return (long) FFM.invokeExact(x);
    } catch (Throwable e) {
      throw new IllegalStateException(e);
    }
  }

  /** The same without a transition of the thread's state. */
  static long critical(long x) {
    try {
      return (long) CRITICAL.invokeExact(x);
    } catch (Throwable e) {
      throw new IllegalStateException(e);
    }
  }
}
