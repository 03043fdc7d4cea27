package io.heddle.bench.jmh;

import io.heddle.bench.Contest;
import io.heddle.bench.Contests;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/** A thousand calls of the door with an op on one element, beside a thousand empty calls. */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@State(Scope.Thread)
@Fork(
    value = 1,
    jvmArgsAppend = {"--enable-native-access=ALL-UNNAMED", "--sun-misc-unsafe-memory-access=allow"})
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
public class DoorBenchmark {
  /** Who does the work. */
  @Param({"heddle", "heddle, FFM", "empty JNI", "empty FFM", "empty FFM, critical"})
  public String contestant = "";

  @SuppressWarnings("NullAway.Init") // by prepare
  private Contest made;

  @SuppressWarnings("NullAway.Init") // by prepare
  private Runnable work;

  /** Makes the inputs and checks the answers. */
  @Setup(Level.Trial)
  public void prepare() {
    made = Contests.named("door");
    made.check();
    work = made.contestant(contestant)::run;
  }

  /** Frees the inputs. */
  @TearDown(Level.Trial)
  public void free() {
    made.close();
  }

  /** One run. */
  @Benchmark
  public void run() {
    work.run();
  }
}
