package io.heddle.bench;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;

/**
 * A piece of work at one shape, and those who do it. Inputs are random, and shared by all
 * contestants without a copy.
 */
public abstract class Contest implements AutoCloseable {
  private final Deque<AutoCloseable> owned = new ArrayDeque<>();
  private final List<Contestant> contestants = new ArrayList<>();

  /** What bounds the work. */
  public enum Bound {
    /** Multiply-adds in f32. */
    F32("GFLOP/s"),
    /** Multiply-adds of bf16 pairs. */
    BF16("GFLOP/s"),
    /** Bytes through memory. */
    MEMORY("GB/s"),
    /** Nothing that is worth a share; the row says how fast {@link #bytes} of text are read. */
    TEXT("MB/s"),
    /** Nothing that is worth a share: the row gives the time alone. */
    NONE("");

    final String unit;

    Bound(String unit) {
      this.unit = unit;
    }
  }

  /** The verb's name of the work. */
  public abstract String op();

  /** Element type, as in "bf16". */
  public abstract String dtype();

  /** The shape in words. */
  public abstract String shape();

  /** Useful floating-point operations of one run: what the formula asks for, not what is done. */
  public double flops() {
    return 0;
  }

  /** Bytes of one run: each input read once, each output written once. */
  public double bytes() {
    return 0;
  }

  /** What bounds it. */
  public abstract Bound bound();

  /**
   * How far an answer may be from ours, relative to the largest number of ours: bf16 results differ
   * in their last bit.
   */
  public double tolerance() {
    return dtype().equals("f32") ? 2e-4 : 3e-2;
  }

  /** All that take part; the first is {@link Contestant#OURS}. */
  public List<Contestant> contestants() {
    return contestants;
  }

  /** The contestant of that name. */
  public Contestant contestant(String name) {
    for (Contestant c : contestants) {
      if (c.name().equals(name)) {
        return c;
      }
    }
    throw new IllegalArgumentException(
        op() + " has no contestant '" + name + "'; there are: " + names());
  }

  /** Names of the contestants. */
  public List<String> names() {
    return contestants.stream().map(Contestant::name).toList();
  }

  /** Sends the peers home. */
  public void alone() {
    contestants.subList(1, contestants.size()).clear();
  }

  /** Does the work once each and compares: a wrong answer is no time worth having. */
  public void check() {
    double[] expected = null;
    for (Contestant c : contestants) {
      c.run();
      double[] answer = c.answer().get();
      if (expected == null) {
        expected = answer;
        continue;
      }
      if (answer.length != expected.length) {
        throw new IllegalStateException(
            op()
                + ": "
                + c.name()
                + " gives "
                + answer.length
                + " numbers, ours "
                + expected.length);
      }
      double top = 1e-30;
      double worst = 0;
      for (int i = 0; i < answer.length; i++) {
        top = Math.max(top, Math.abs(expected[i]));
        double difference = Math.abs(answer[i] - expected[i]);
        // Also true for NaN, which no comparison finds.
        worst = difference <= worst ? worst : difference;
      }
      if (!(worst <= tolerance() * top)) {
        throw new IllegalStateException(
            "%s %s %s: %s and %s differ by %.3g of the largest number (allowed %.3g)"
                .formatted(
                    op(),
                    dtype(),
                    shape(),
                    c.name(),
                    names().getFirst(),
                    worst / top,
                    tolerance()));
      }
    }
  }

  /** Adds a contestant. */
  protected void enter(Contestant contestant) {
    contestants.add(contestant);
  }

  /** Something to close with the contest, the youngest first. */
  protected <T extends AutoCloseable> T own(T resource) {
    owned.push(resource);
    return resource;
  }

  @Override
  public void close() {
    while (!owned.isEmpty()) {
      try {
        owned.pop().close();
      } catch (Exception e) {
        throw new IllegalStateException(e);
      }
    }
  }
}
