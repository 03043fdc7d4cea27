package io.heddle.tests;

import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.tensor.DType;
import io.heddle.tests.ConformanceCases.Arg;
import io.heddle.tests.ConformanceCases.Case;
import io.heddle.tests.ConformanceCases.Exactness;
import io.heddle.tests.ConformanceCases.Place;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** What makes cases of {@link ConformanceTest}: their tensors, each with numbers of its own. */
abstract class CaseMaker {
  /** The cases so far, and how many tensors were drawn for them. */
  static final class Collected {
    final List<Case> cases = new ArrayList<>();
    private long seed;
  }

  private final Collected to;

  CaseMaker(Collected to) {
    this.to = to;
  }

  final void add(
      OpCode op,
      String options,
      DType dtype,
      Params params,
      Exactness exactness,
      long terms,
      Arg... args) {
    to.cases.add(new Case(op, options, dtype, params, exactness, terms, Arrays.asList(args)));
  }

  static int size(long... shape) {
    long n = 1;
    for (long d : shape) {
      n *= d;
    }
    return (int) n;
  }

  // Inputs that the dtype holds exactly enough: put rounds them alike for every backend.
  final Arg in(DType dtype, long... shape) {
    return new Arg(dtype, Place.SLICED, draw(size(shape)), shape);
  }

  final Arg packed(DType dtype, long... shape) {
    return new Arg(dtype, Place.PACKED, draw(size(shape)), shape);
  }

  final Arg positive(DType dtype, long... shape) {
    return new Arg(
        dtype,
        Place.SLICED,
        Arrays.stream(draw(size(shape))).map(x -> 0.1 + Math.abs(x)).toArray(),
        shape);
  }

  static Arg out(DType dtype, long... shape) {
    return new Arg(dtype, Place.SLICED, filled(size(shape), -77), shape);
  }

  final Arg heads(DType dtype, long... shape) {
    return new Arg(dtype, Place.HEADS, draw(size(shape)), shape);
  }

  static Arg emptyHeads(DType dtype, long... shape) {
    return new Arg(dtype, Place.HEADS, filled(size(shape), -77), shape);
  }

  static Arg ints(int[] values, long... shape) {
    return new Arg(
        DType.I32, Place.PACKED, Arrays.stream(values).asDoubleStream().toArray(), shape);
  }

  /** As {@link ConformanceTest} takes them: the lower half of each, then the upper. */
  static Arg longs(long[] values, long... shape) {
    double[] halves = new double[2 * values.length];
    for (int i = 0; i < values.length; i++) {
      halves[2 * i] = (int) values[i];
      halves[2 * i + 1] = (int) (values[i] >> 32);
    }
    return new Arg(DType.I64, Place.PACKED, halves, shape);
  }

  static double[] filled(int n, double value) {
    double[] all = new double[n];
    Arrays.fill(all, value);
    return all;
  }

  /** Numbers that no other tensor has. */
  final double[] draw(int n) {
    return Lab.normal(++to.seed, n);
  }
}
