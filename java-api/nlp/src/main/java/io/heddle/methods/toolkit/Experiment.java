package io.heddle.methods.toolkit;

import org.jspecify.annotations.Nullable;

/** A small experiment: what it is called, how long it is, and what it finds. */
interface Experiment {
  /** Its name: that of its folder, and what {@code --only} knows it by. */
  String name();

  /** What it asks. */
  String title();

  /** Units of progress, training steps for the most part. */
  long steps();

  /** Runs what is not done yet; null when it was asked to stop. */
  @Nullable Outcome run(Bench bench);
}
