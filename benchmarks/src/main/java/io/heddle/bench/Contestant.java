package io.heddle.bench;

import java.util.function.Supplier;

/**
 * One that does the work of a contest.
 *
 * @param name "heddle", or the peer's name
 * @param work does it once; results stay where {@code answer} finds them
 * @param answer the numbers that the last work gave
 */
public record Contestant(String name, Runnable work, Supplier<double[]> answer) {
  /** The contestant that all others are compared to. */
  public static final String OURS = "heddle";
}
