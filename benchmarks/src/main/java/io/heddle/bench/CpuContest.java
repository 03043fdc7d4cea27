package io.heddle.bench;

import io.heddle.backend.Backend;
import io.heddle.backend.BackendOptions;
import io.heddle.backend.Backends;
import io.heddle.tensor.DType;
import io.heddle.tensor.Scope;
import io.heddle.tensor.Tensor;
import java.util.Arrays;
import java.util.Locale;
import java.util.SplittableRandom;
import java.util.function.Supplier;

/** A contest on one backend, with random inputs in its memory. */
abstract class CpuContest extends Contest {
  final Backend backend;
  final Scope scope;
  final DType type;
  final int threads;
  private final SplittableRandom random = new SplittableRandom(42);

  CpuContest(String backendName, DType type, int threads) {
    this.backend = own(Backends.open(backendName, new BackendOptions(0, threads)));
    this.scope = own(new Scope(backend.memory()));
    this.type = type;
    this.threads = threads;
  }

  @Override
  public String dtype() {
    return type.name().toLowerCase(Locale.ROOT);
  }

  @Override
  public Bound bound() {
    return type == DType.BF16 ? Bound.BF16 : Bound.F32;
  }

  /** Uniform numbers in [-scale, scale). */
  Tensor random(DType dtype, double scale, long... shape) {
    Tensor t = scope.tensor(dtype, shape);
    double[] values = new double[(int) t.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = scale * (2 * random.nextDouble() - 1);
    }
    return t.copyFrom(values);
  }

  /** Uniform whole numbers below {@code bound}. */
  Tensor indices(int bound, long... shape) {
    Tensor t = scope.tensor(DType.I32, shape);
    int[] values = new int[(int) t.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = random.nextInt(bound);
    }
    return t.copyFrom(values);
  }

  /** Ours: an answer is what the tensors hold. */
  void enterOurs(Runnable work, Tensor... outputs) {
    enter(Contestant.of(Contestant.OURS, work, () -> numbers(outputs)));
  }

  /** Ours, whose answer is a vector. */
  void enterOurs(Runnable work, Supplier<float[]> answer) {
    enter(Contestant.of(Contestant.OURS, work, () -> numbers(answer.get())));
  }

  static double[] numbers(float[] values) {
    double[] numbers = new double[values.length];
    Arrays.setAll(numbers, i -> values[i]);
    return numbers;
  }

  static double[] numbers(Tensor... tensors) {
    return Arrays.stream(tensors).flatMapToDouble(t -> Arrays.stream(t.toDoubles())).toArray();
  }
}
