package io.heddle.bench;

import java.util.function.IntConsumer;
import java.util.function.Supplier;

/**
 * One that does the work of a contest.
 *
 * @param name "heddle", or the peer's name
 * @param runs does it so many times; results stay where {@code answer} finds them
 * @param answer the numbers that the last work gave
 */
public record Contestant(String name, IntConsumer runs, Supplier<double[]> answer) {
  /** The contestant that all others are compared to. */
  public static final String OURS = "heddle";

  /** One of this process, whose work is a call. */
  public static Contestant of(String name, Runnable work, Supplier<double[]> answer) {
    return new Contestant(
        name,
        times -> {
          for (int i = 0; i < times; i++) {
            work.run();
          }
        },
        answer);
  }

  /** Does the work once. */
  public void run() {
    runs.accept(1);
  }
}
