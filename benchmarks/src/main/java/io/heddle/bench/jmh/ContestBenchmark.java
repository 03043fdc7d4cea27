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

/**
 * One contestant of one contest. Forked JVMs let a profiler see it alone; the verb {@code bench}
 * takes turns instead, which is fairer on a noisy machine.
 */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@State(Scope.Thread)
@Fork(
    value = 1,
    jvmArgsAppend = {"--enable-native-access=ALL-UNNAMED", "--sun-misc-unsafe-memory-access=allow"})
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
public class ContestBenchmark {
  /** The contest, as {@link Contests#named} reads it. */
  @Param({
    "attention f32 causal 1024",
    "attention bf16 causal 1024",
    "attention bf16 window:256,0 4096",
    "attention-backward f32 causal 1024",
    "attention-backward bf16 causal 1024",
    "gemm f32 1024",
    "gemm bf16 1024",
    "norm f32",
    "loss f32",
    "optimizer f32",
    "merge bf16"
  })
  public String contest = "";

  /** Who does the work. */
  @Param({"heddle", "libtorch"})
  public String contestant = "";

  @SuppressWarnings("NullAway.Init") // by prepare
  private Contest made;

  @SuppressWarnings("NullAway.Init") // by prepare
  private Runnable work;

  /** Makes the inputs and checks the answers. */
  @Setup(Level.Trial)
  public void prepare() {
    made = Contests.named(contest);
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
