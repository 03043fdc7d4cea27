package io.heddle.metrics;

/**
 * How often each class was taken for each, and what follows: accuracy, precision, recall and F1 as
 * scikit-learn defines them (0 where nothing is divided by nothing), and Matthews' correlation.
 * Accumulates; not safe for use by many threads.
 */
public final class Confusion {
  private final long[][] counts;

  /** Nothing added yet, for classes 0 to {@code classes - 1}. */
  public Confusion(int classes) {
    if (classes < 1) {
      throw new IllegalArgumentException("there must be a class, not " + classes);
    }
    counts = new long[classes][classes];
  }

  /**
   * Adds an example.
   *
   * @throws IllegalArgumentException if there is no such class
   */
  public Confusion add(int target, int predicted) {
    counts[known("target", target)][known("prediction", predicted)]++;
    return this;
  }

  private int known(String what, int label) {
    if (label < 0 || label >= counts.length) {
      throw new IllegalArgumentException(
          "the " + what + " " + label + " is not one of the classes 0 to " + (counts.length - 1));
    }
    return label;
  }

  /** Adds what another of as many classes has. */
  public Confusion merge(Confusion other) {
    if (other.counts.length != counts.length) {
      throw new IllegalArgumentException(
          other.counts.length + " classes cannot be added to " + counts.length);
    }
    for (int t = 0; t < counts.length; t++) {
      for (int p = 0; p < counts.length; p++) {
        counts[t][p] += other.counts[t][p];
      }
    }
    return this;
  }

  /**
   * The scores, each from 0 to 1 but for the correlation, which is from -1 to 1.
   *
   * @param examples how many
   * @param accuracy share of right predictions, which micro-averaged F1 equals for single labels
   * @param macroF1 mean F1 over all classes
   * @param weightedF1 mean F1 with each class as often as it is a target
   * @param matthews Matthews' correlation coefficient, for many classes Gorodkin's (2004); 0 when
   *     targets or predictions are all alike
   */
  public record Score(
      long examples, double accuracy, double macroF1, double weightedF1, double matthews) {}

  /** The scores over all classes; NaN accuracy without examples. */
  public Score score() {
    double macro = 0;
    double weighted = 0;
    long right = 0;
    double both = 0;
    double targets = 0;
    double predictions = 0;
    double n = total();
    for (int c = 0; c < counts.length; c++) {
      double target = targets(c);
      double predicted = predictions(c);
      macro += f1(c) / counts.length;
      weighted += n == 0 ? 0 : f1(c) * target / n;
      right += counts[c][c];
      both += target * predicted;
      targets += target * target;
      predictions += predicted * predicted;
    }
    double spread = (n * n - targets) * (n * n - predictions);
    double matthews = spread == 0 ? 0 : (right * n - both) / Math.sqrt(spread);
    return new Score((long) n, right / n, macro, weighted, matthews);
  }

  /** Share of the predictions of a class that are right. */
  public double precision(int label) {
    return share(counts[known("label", label)][label], predictions(label));
  }

  /** Share of the targets of a class that were found. */
  public double recall(int label) {
    return share(counts[known("label", label)][label], targets(label));
  }

  /** F1 of one class: of class 1 among two, what is called binary F1. */
  public double f1(int label) {
    return share(2 * counts[known("label", label)][label], targets(label) + predictions(label));
  }

  /**
   * F1 of the counts of some classes together: without a "none" class, say, of tagging.
   *
   * @param labels the classes that count
   */
  public double microF1(int... labels) {
    long right = 0;
    long all = 0;
    for (int label : labels) {
      right += counts[known("label", label)][label];
      all += targets(label) + predictions(label);
    }
    return share(2 * right, all);
  }

  private static double share(long part, long all) {
    return all == 0 ? 0 : (double) part / all;
  }

  private long total() {
    long n = 0;
    for (int c = 0; c < counts.length; c++) {
      n += targets(c);
    }
    return n;
  }

  private long targets(int label) {
    long n = 0;
    for (long count : counts[label]) {
      n += count;
    }
    return n;
  }

  private long predictions(int label) {
    long n = 0;
    for (long[] row : counts) {
      n += row[label];
    }
    return n;
  }
}
