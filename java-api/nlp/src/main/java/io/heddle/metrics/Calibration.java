package io.heddle.metrics;

/**
 * Expected calibration error with bins of equal width (Naeini et al. 2015, Guo et al. 2017): the
 * gap between confidence and accuracy in each bin, weighted by how many examples it has. A bin
 * holds its upper end. Accumulates; not safe for use by many threads.
 */
public final class Calibration {
  private final long[] examples;
  private final long[] correct;
  private final double[] confidence;

  /** Nothing added yet; 15 bins are usual. */
  public Calibration(int bins) {
    if (bins < 1) {
      throw new IllegalArgumentException("there must be a bin, not " + bins);
    }
    examples = new long[bins];
    correct = new long[bins];
    confidence = new double[bins];
  }

  /**
   * Adds a prediction.
   *
   * @param probability that the model gave its prediction, 0 to 1
   * @param right whether it was right
   * @throws IllegalArgumentException if it is no probability
   */
  public Calibration add(double probability, boolean right) {
    if (!(probability >= 0 && probability <= 1)) {
      throw new IllegalArgumentException(probability + " is no probability");
    }
    int bin = Math.max(0, (int) Math.ceil(probability * examples.length) - 1);
    examples[bin]++;
    correct[bin] += right ? 1 : 0;
    confidence[bin] += probability;
    return this;
  }

  /** Adds what another with as many bins has. */
  public Calibration merge(Calibration other) {
    if (other.examples.length != examples.length) {
      throw new IllegalArgumentException(
          other.examples.length + " bins cannot be added to " + examples.length);
    }
    for (int b = 0; b < examples.length; b++) {
      examples[b] += other.examples[b];
      correct[b] += other.correct[b];
      confidence[b] += other.confidence[b];
    }
    return this;
  }

  /**
   * One bin.
   *
   * @param from lower end, not in it but for 0
   * @param to upper end
   * @param examples how many
   * @param confidence mean probability; NaN without examples
   * @param accuracy share of right predictions; NaN without examples
   */
  public record Bin(double from, double to, long examples, double confidence, double accuracy) {}

  /**
   * The errors, from 0 to 1.
   *
   * @param examples how many
   * @param expected expected calibration error; NaN without examples
   * @param largest gap of any bin
   */
  public record Score(long examples, double expected, double largest) {}

  /** The errors over all examples. */
  public Score score() {
    long all = 0;
    double sum = 0;
    double largest = 0;
    for (int b = 0; b < examples.length; b++) {
      double gap = Math.abs(correct[b] - confidence[b]);
      all += examples[b];
      sum += gap;
      largest = Math.max(largest, examples[b] == 0 ? 0 : gap / examples[b]);
    }
    return new Score(all, sum / all, largest);
  }

  /** Bin {@code b}, from 0 on, for a reliability diagram. */
  public Bin bin(int b) {
    double width = examples.length;
    double n = examples[b];
    return new Bin(b / width, (b + 1) / width, examples[b], confidence[b] / n, correct[b] / n);
  }
}
