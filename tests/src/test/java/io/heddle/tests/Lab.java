package io.heddle.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.backend.Backend;
import io.heddle.backend.Backends;
import io.heddle.backend.reference.ReferenceBackend;
import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.op.pattern.BlockLayout;
import io.heddle.tensor.DType;
import io.heddle.tensor.Scope;
import io.heddle.tensor.Tensor;
import java.util.Arrays;
import java.util.SplittableRandom;

/**
 * An open backend with tensors made from, and read back as, plain arrays; the arrays hide whether
 * the memory is on a device.
 */
final class Lab implements AutoCloseable {
  static final Params NONE = new Params.None();

  final Backend backend;
  final Scope scope;
  private final Scope host = new Scope(new ReferenceBackend().memory());

  Lab(String name) {
    this(Backends.open(name));
  }

  /** Takes the backend over: it is closed with the lab. */
  Lab(Backend backend) {
    this.backend = backend;
    this.scope = new Scope(backend.memory());
  }

  boolean has(OpCode... ops) {
    return Arrays.stream(ops).allMatch(backend::supports);
  }

  void run(OpCode op, Params params, Tensor... tensors) {
    backend.run(op, params, tensors);
  }

  /** A copy of {@code values} in the backend's memory. */
  Tensor put(DType dtype, double[] values, long... shape) {
    return moved(host.tensor(dtype, shape).copyFrom(values));
  }

  Tensor ints(int[] values, long... shape) {
    return moved(host.tensor(DType.I32, shape).copyFrom(values));
  }

  /** A copy of a contiguous host tensor, for instance one of a file. */
  Tensor moved(Tensor from) {
    Tensor to = scope.tensor(from.dtype(), from.shape());
    backend.transfer(from, to);
    return to;
  }

  /**
   * An output: filled with a value that no test expects, so that an element left unwritten shows.
   */
  Tensor out(DType dtype, long... shape) {
    Tensor fresh = host.tensor(dtype, shape);
    double[] junk = new double[(int) fresh.size()];
    Arrays.fill(junk, -77);
    return moved(fresh.copyFrom(junk));
  }

  /** The elements of a contiguous tensor. */
  double[] get(Tensor tensor) {
    if (tensor.storage().device() < 0) {
      return tensor.toDoubles();
    }
    Tensor copy = host.tensor(tensor.dtype(), tensor.shape());
    backend.transfer(tensor, copy);
    backend.synchronize();
    return copy.toDoubles();
  }

  /** The lists of a layout in the backend's memory. */
  BlockLayout.Tensors layout(BlockLayout layout) {
    BlockLayout.Tensors t = layout.tensors(host);
    return new BlockLayout.Tensors(
        movedUnlessEmpty(t.rowPtr()),
        movedUnlessEmpty(t.rowBlocks()),
        movedUnlessEmpty(t.colPtr()),
        movedUnlessEmpty(t.colBlocks()),
        movedUnlessEmpty(t.masks()),
        movedUnlessEmpty(t.headGroup()));
  }

  private Tensor movedUnlessEmpty(Tensor from) {
    return from.size() == 0 ? scope.tensor(from.dtype(), from.shape()) : moved(from);
  }

  /** Normal numbers from a fixed seed. */
  static double[] normal(long seed, long size) {
    SplittableRandom random = new SplittableRandom(seed);
    return random.doubles(size).map(u -> gauss(u, random.nextDouble())).toArray();
  }

  private static double gauss(double u, double v) {
    return Math.sqrt(-2 * Math.log(1 - u)) * Math.cos(2 * Math.PI * v);
  }

  /**
   * The largest difference, relative to the largest finite entry of {@code expected}; infinities
   * must be equal.
   */
  static void close(String what, double[] expected, double[] actual, double tolerance) {
    close(what, expected, actual, tolerance, 1e-30);
  }

  /**
   * The same, where the largest entry counts as at least {@code floor}: the size of terms that may
   * cancel.
   */
  static void close(
      String what, double[] expected, double[] actual, double tolerance, double floor) {
    assertEquals(expected.length, actual.length, what);
    double scale = floor;
    for (double x : expected) {
      scale = Double.isInfinite(x) ? scale : Math.max(scale, Math.abs(x));
    }
    for (int i = 0; i < expected.length; i++) {
      boolean same = Double.compare(expected[i], actual[i]) == 0 || expected[i] == actual[i];
      double error = Math.abs(expected[i] - actual[i]);
      int at = i;
      double bound = tolerance * scale;
      assertTrue(
          same || error <= bound,
          () ->
              what
                  + "["
                  + at
                  + "]: expected "
                  + expected[at]
                  + ", got "
                  + actual[at]
                  + ", allowed "
                  + bound);
    }
  }

  /** The largest absolute value. */
  static double largest(double... values) {
    return Arrays.stream(values).map(Math::abs).max().orElse(0);
  }

  @Override
  public void close() {
    scope.close();
    host.close();
    backend.close();
  }
}
