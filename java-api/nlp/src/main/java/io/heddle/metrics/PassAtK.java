package io.heddle.metrics;

import java.util.ArrayList;
import java.util.List;

/**
 * The probability that at least one of k sampled programs passes, estimated without bias from n
 * samples (Chen et al. 2021): 1 - C(n-c, k) / C(n, k), and its mean over problems. Accumulates; not
 * safe for use by many threads.
 */
public final class PassAtK {
  private record Problem(int samples, int passed) {}

  private final List<Problem> problems = new ArrayList<>();

  /** Nothing added yet. */
  public PassAtK() {}

  /**
   * Adds a problem.
   *
   * @throws IllegalArgumentException unless 0 &lt;= passed &lt;= samples
   */
  public PassAtK add(int samples, int passed) {
    if (passed < 0 || passed > samples) {
      throw new IllegalArgumentException(passed + " of " + samples + " samples cannot pass");
    }
    problems.add(new Problem(samples, passed));
    return this;
  }

  /** Adds what another has. */
  public PassAtK merge(PassAtK other) {
    problems.addAll(other.problems);
    return this;
  }

  /**
   * The mean over problems, 0 to 1; NaN without problems.
   *
   * @throws IllegalArgumentException if a problem has fewer than k samples
   */
  public double score(int k) {
    double sum = 0;
    for (Problem problem : problems) {
      sum += estimate(problem.samples, problem.passed, k);
    }
    return sum / problems.size();
  }

  /** The estimate for one problem. */
  public static double estimate(int samples, int passed, int k) {
    if (k < 1 || k > samples) {
      throw new IllegalArgumentException(
          "pass@" + k + " cannot be told from " + samples + " samples");
    }
    if (samples - passed < k) {
      return 1;
    }
    double none = 1;
    for (int i = samples - passed + 1; i <= samples; i++) {
      none *= 1 - (double) k / i;
    }
    return 1 - none;
  }
}
