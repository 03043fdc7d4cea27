package io.heddle.metrics;

/** What a {@link TextMetric} says of a corpus. */
public interface MetricScore {
  /** The metric's name with its order, as tables print it: {@code BLEU}, {@code chrF2++}. */
  String name();

  /** The one number, from 0 to 100; of {@link Ter} it may be larger, and lower is better. */
  double value();

  /** What the number is made of, in one line; empty if there is nothing to tell. */
  default String details() {
    return "";
  }
}
