package io.heddle.metrics;

import java.util.Locale;

/** What {@link Bleu} does about orders without a match (Chen and Cherry 2014). */
public enum Smoothing {
  /** Nothing: the score is 0. */
  NONE("none", 0),
  /** Method 1: such a count becomes the value. */
  FLOOR("floor", 0.1),
  /** Method 2: the value is added to counts and totals of orders above 1. */
  ADD_K("add-k", 1),
  /** Method 3, mteval's: the first such precision is half a match, the next a quarter, ... */
  EXP("exp", 0);

  private final String label;
  private final double value;

  Smoothing(String label, double value) {
    this.label = label;
    this.value = value;
  }

  /** sacreBLEU's name for it. */
  public String label() {
    return label;
  }

  /** The value used when none is given; methods without one have 0. */
  public double usualValue() {
    return value;
  }

  /** Whether there is a value to choose. */
  boolean hasValue() {
    return value > 0;
  }

  /**
   * The method with sacreBLEU's name.
   *
   * @throws IllegalArgumentException if there is none
   */
  public static Smoothing of(String label) {
    for (Smoothing smoothing : values()) {
      if (smoothing.label.equals(label.toLowerCase(Locale.ROOT))) {
        return smoothing;
      }
    }
    throw new IllegalArgumentException(
        "no smoothing is called '" + label + "'; there are none, floor, add-k and exp");
  }
}
