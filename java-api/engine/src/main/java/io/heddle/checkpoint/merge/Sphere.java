package io.heddle.checkpoint.merge;

import java.util.Arrays;

/** Weights of the methods that move on a sphere or by angles, from inner products. */
final class Sphere {
  /** Above this cosine {@code slerp} takes the straight line, as its users are used to. */
  static final double NEAR = 0.9995;

  /** The same for {@code nuslerp}: as near as the arc's formula is sound. */
  static final double PARALLEL = 1 - 5e-17;

  private Sphere() {}

  /**
   * Spherical interpolation (Shoemake 1985): weights sin((1-t) a) / sin a and sin(t a) / sin a of
   * the vectors as they are, a the angle between them; 1-t and t where the cosine is above {@code
   * parallel}, or below its negative.
   */
  static double[] slerp(double[][] gram, double t, double parallel) {
    double cosine = cosine(gram, 0, 1);
    if (Math.abs(cosine) > parallel) {
      return new double[] {1 - t, t};
    }
    double angle = Math.acos(cosine);
    double sine = Math.sin(angle);
    return new double[] {Math.sin((1 - t) * angle) / sine, Math.sin(t * angle) / sine};
  }

  /**
   * The Karcher mean: the point of the sphere from which the directions of the vectors pull equally
   * (Grove and Karcher 1973), by the usual fixed-point iteration, with the weighted mean of their
   * lengths. Each iterate is a combination of the directions, so inner products suffice.
   *
   * @param shares of the vectors; they sum to 1
   */
  static double[] karcher(double[][] gram, double[] shares, int iterations, double tolerance) {
    int n = shares.length;
    double[] length = new double[n];
    double[] c = new double[n]; // the iterate is sum c_i direction_i
    double mean = 0;
    for (int i = 0; i < n; i++) {
      length[i] = Math.sqrt(gram[i][i]);
      mean += shares[i] * length[i];
      c[i] = length[i] > 0 ? shares[i] : 0;
    }
    if (!unit(c, gram, length)) {
      return new double[n]; // nothing but zeros, or directions that cancel
    }
    for (int k = 0; k < iterations; k++) {
      double[] step = new double[n];
      double along = 0;
      for (int i = 0; i < n; i++) {
        if (length[i] == 0) {
          continue;
        }
        double cosine = Math.clamp(withDirection(c, i, gram, length), -1, 1);
        double angle = Math.acos(cosine);
        double pull = angle < 1e-12 ? 0 : shares[i] * angle / Math.sin(angle);
        step[i] += pull;
        along += pull * cosine;
      }
      for (int i = 0; i < n; i++) {
        step[i] -= along * c[i];
      }
      double size = Math.sqrt(Math.max(0, square(step, gram, length)));
      if (size < tolerance) {
        break;
      }
      for (int i = 0; i < n; i++) {
        c[i] = Math.cos(size) * c[i] + Math.sin(size) * step[i] / size;
      }
      unit(c, gram, length);
    }
    for (int i = 0; i < n; i++) {
      c[i] = length[i] > 0 ? c[i] * mean / length[i] : 0;
    }
    return c;
  }

  /**
   * Model Stock (Jang et al. 2024), for weights of the differences to the base: with the mean
   * cosine c of pairs of differences, t = n c / (1 + (n - 1) c), each gets t / n.
   */
  static double[] modelStock(double[][] gram) {
    int n = gram.length;
    double sum = 0;
    for (int i = 0; i < n; i++) {
      for (int j = i + 1; j < n; j++) {
        sum += cosine(gram, i, j);
      }
    }
    double mean = sum / (n * (n - 1) / 2.0);
    double[] out = new double[n];
    Arrays.fill(out, mean / (1 + (n - 1) * mean));
    return out;
  }

  /** The cosine of two vectors; 0 where one is zero. */
  static double cosine(double[][] gram, int i, int j) {
    double lengths = Math.sqrt(gram[i][i]) * Math.sqrt(gram[j][j]);
    return lengths == 0 ? 0 : Math.clamp(gram[i][j] / lengths, -1, 1);
  }

  private static double withDirection(double[] c, int i, double[][] gram, double[] length) {
    double sum = 0;
    for (int j = 0; j < c.length; j++) {
      sum += length[j] == 0 ? 0 : c[j] * gram[i][j] / (length[i] * length[j]);
    }
    return sum;
  }

  private static double square(double[] c, double[][] gram, double[] length) {
    double sum = 0;
    for (int i = 0; i < c.length; i++) {
      sum += length[i] == 0 ? 0 : c[i] * withDirection(c, i, gram, length);
    }
    return sum;
  }

  private static boolean unit(double[] c, double[][] gram, double[] length) {
    double size = Math.sqrt(Math.max(0, square(c, gram, length)));
    for (int i = 0; i < c.length && size > 1e-12; i++) {
      c[i] /= size;
    }
    return size > 1e-12;
  }
}
