package io.heddle.train;

import io.heddle.progress.ProgressListener;
import java.util.Map;

/** Measures a model on held-out data. */
@FunctionalInterface
public interface Evaluation {
  /** Named values; the first one is what early stopping watches, smaller is better. */
  Map<String, Double> run(ProgressListener progress);
}
