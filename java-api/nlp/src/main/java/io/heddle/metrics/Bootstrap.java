package io.heddle.metrics;

import java.util.Arrays;
import java.util.List;

/**
 * Bootstrap resampling of segments (Koehn 2004) as sacreBLEU does it: the same seed draws the same
 * resamples, segments with replacement, as many as there are.
 *
 * @param samples resamples, usually 1000
 * @param seed of the draws; sacreBLEU's own is 12345
 */
public record Bootstrap(int samples, long seed) {
  /** Checks the number of samples. */
  public Bootstrap {
    if (samples < 1) {
      throw new IllegalArgumentException("a bootstrap needs a sample, not " + samples);
    }
  }

  /** sacreBLEU's defaults. */
  public static Bootstrap standard() {
    return new Bootstrap(1000, 12345);
  }

  /**
   * Where the score lies.
   *
   * @param mean of the resamples' scores
   * @param halfWidth half the distance between the ends of the middle 95 %
   */
  public record Interval(double mean, double halfWidth) {}

  /**
   * A system beside a baseline.
   *
   * @param baseline its score on all segments
   * @param system its score on all segments
   * @param interval of the system's score
   * @param baselineInterval of the baseline's score
   * @param pValue probability of a difference at least as large, were the two equally good
   * @param wins share of resamples in which the system is strictly better (Koehn's own test)
   */
  public record Paired(
      double baseline,
      double system,
      Interval interval,
      Interval baselineInterval,
      double pValue,
      double wins) {}

  /**
   * The interval of one system's score.
   *
   * @param rows of its segments, by {@link TextMetric#count}
   */
  public Interval interval(TextMetric<?> metric, List<double[]> rows) {
    return interval(scores(metric, rows));
  }

  /**
   * The paired test.
   *
   * @param baseline rows of the baseline's segments
   * @param system rows of the system's segments, in the same order
   * @throws IllegalArgumentException if they are not as many
   */
  public Paired paired(TextMetric<?> metric, List<double[]> baseline, List<double[]> system) {
    if (baseline.size() != system.size()) {
      throw new IllegalArgumentException(
          "the baseline has "
              + (baseline.size() + " segments and the system " + system.size())
              + "; a paired test needs the same ones");
    }
    double before = total(metric, baseline);
    double after = total(metric, system);
    double[] ofBaseline = scores(metric, baseline);
    double[] ofSystem = scores(metric, system);
    double[] differences = new double[samples];
    int better = 0;
    for (int i = 0; i < samples; i++) {
      differences[i] = Math.abs(ofSystem[i] - ofBaseline[i]);
      double gain = ofSystem[i] - ofBaseline[i];
      better += (metric.lowerIsBetter() ? -gain : gain) > 0 ? 1 : 0;
    }
    double mean = Arrays.stream(differences).average().orElse(0);
    double real = Math.abs(after - before);
    long larger = Arrays.stream(differences).filter(d -> d - mean > real).count();
    return new Paired(
        before,
        after,
        interval(ofSystem),
        interval(ofBaseline),
        (larger + 1.0) / (samples + 1.0),
        (double) better / samples);
  }

  private static double total(TextMetric<?> metric, List<double[]> rows) {
    double[] sums = new double[metric.width()];
    for (double[] row : rows) {
      for (int i = 0; i < sums.length; i++) {
        sums[i] += row[i];
      }
    }
    return metric.score(sums).value();
  }

  private double[] scores(TextMetric<?> metric, List<double[]> rows) {
    int width = metric.width();
    int n = rows.size();
    if (n == 0) {
      throw new IllegalArgumentException("there is no segment to draw");
    }
    double[] flat = new double[n * width];
    for (int i = 0; i < n; i++) {
      System.arraycopy(rows.get(i), 0, flat, i * width, width);
    }
    Pcg64 random = new Pcg64(seed);
    double[] out = new double[samples];
    double[] sums = new double[width];
    for (int s = 0; s < samples; s++) {
      Arrays.fill(sums, 0);
      for (int i = 0; i < n; i++) {
        int at = random.below(n) * width;
        for (int k = 0; k < width; k++) {
          sums[k] += flat[at + k];
        }
      }
      out[s] = metric.score(sums).value();
    }
    return out;
  }

  private static Interval interval(double[] scores) {
    double[] sorted = scores.clone();
    Arrays.sort(sorted);
    int cut = sorted.length / 40;
    double width = sorted[sorted.length - cut - 1] - sorted[cut];
    return new Interval(Arrays.stream(sorted).average().orElse(Double.NaN), width / 2);
  }
}
