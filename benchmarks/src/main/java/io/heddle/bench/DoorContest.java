package io.heddle.bench;

import io.heddle.backend.Backend;
import io.heddle.backend.BackendOptions;
import io.heddle.binding.Door;
import io.heddle.binding.cpu.CpuBackend;
import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.tensor.DType;
import io.heddle.tensor.Scope;
import io.heddle.tensor.Tensor;

/**
 * What one call of the door costs: an op on a single element, through both transports, beside a
 * caller in C++, and beside empty native calls. A row's time is that of {@link #CALLS} calls.
 */
final class DoorContest extends Contest {
  /** Calls of one run. */
  static final int CALLS = 1000;

  private long sink;

  DoorContest() {
    enter(door(Contestant.OURS, "javacpp"));
    enter(door("heddle, FFM", "ffm"));
    enter(fromC());
    enter(empty("empty JNI", () -> EmptyCall.jni(1)));
    enter(empty("empty FFM", () -> EmptyCall.ffm(1)));
    enter(empty("empty FFM, critical", () -> EmptyCall.critical(1)));
  }

  private Contestant door(String name, String transport) {
    Backend backend = own(new CpuBackend(Door.open(transport), new BackendOptions(0, 1)));
    Scope scope = own(new Scope(backend.memory()));
    Tensor x = scope.tensor(DType.F32, 1).copyFrom(new float[] {1});
    Tensor y = scope.tensor(DType.F32, 1).copyFrom(new float[] {0});
    Params none = new Params.None();
    return Contestant.of(
        name,
        () -> {
          for (int i = 0; i < CALLS; i++) {
            backend.run(OpCode.COPY, none, x, y);
          }
        },
        () -> new double[] {y.get(0)});
  }

  // The same calls by a loop in C++: what they cost without Java.
  private Contestant fromC() {
    DoorCaller caller = own(new DoorCaller());
    return Contestant.of("C++ caller", () -> caller.copies(CALLS), () -> new double[] {1});
  }

  private interface Call {
    long once();
  }

  private Contestant empty(String name, Call call) {
    return Contestant.of(
        name,
        () -> {
          long sum = 0;
          for (int i = 0; i < CALLS; i++) {
            sum += call.once();
          }
          sink = sum;
        },
        () -> new double[] {(double) sink / CALLS});
  }

  @Override
  public String op() {
    return "door";
  }

  @Override
  public String dtype() {
    return "f32";
  }

  @Override
  public String shape() {
    return CALLS + " calls";
  }

  @Override
  public Bound bound() {
    return Bound.NONE;
  }
}
