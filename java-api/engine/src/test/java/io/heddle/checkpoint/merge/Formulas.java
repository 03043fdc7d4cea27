package io.heddle.checkpoint.merge;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/**
 * The methods on whole arrays, written from the papers with sorts and plain loops: nothing of the
 * code under test but the random numbers is used.
 */
final class Formulas {
  private Formulas() {}

  static double[] minus(double[] a, double[] b) {
    return IntStream.range(0, a.length).mapToDouble(i -> a[i] - b[i]).toArray();
  }

  private static double[] scaled(double[] a, double by) {
    return IntStream.range(0, a.length).mapToDouble(i -> a[i] * by).toArray();
  }

  static double dot(double[] a, double[] b) {
    return IntStream.range(0, a.length).mapToDouble(i -> a[i] * b[i]).sum(); // compensated
  }

  private static double norm(double[] a) {
    return Math.sqrt(dot(a, a));
  }

  /** base + sum w_i (s_i - base). */
  static double[] dem(double[] base, List<double[]> sources, double... w) {
    double[] out = base.clone();
    for (int s = 0; s < w.length; s++) {
      for (int i = 0; i < out.length; i++) {
        out[i] += w[s] * (sources.get(s)[i] - base[i]);
      }
    }
    return out;
  }

  static double[] slerp(double[] a, double[] b, double t, boolean nu) {
    double cosine = Math.clamp(dot(a, b) / (norm(a) * norm(b)), -1, 1);
    double angle = Math.acos(cosine);
    boolean line = nu ? Math.sin(angle) < 1e-8 : Math.abs(cosine) > 0.9995;
    double x = line ? 1 - t : Math.sin((1 - t) * angle) / Math.sin(angle);
    double y = line ? t : Math.sin(t * angle) / Math.sin(angle);
    return IntStream.range(0, a.length).mapToDouble(i -> x * a[i] + y * b[i]).toArray();
  }

  static double[] karcher(List<double[]> sources, double[] shares, int iterations, double tol) {
    List<double[]> units = new ArrayList<>();
    double length = 0;
    double[] u = new double[sources.getFirst().length];
    for (int s = 0; s < shares.length; s++) {
      double own = norm(sources.get(s));
      units.add(scaled(sources.get(s), 1 / own));
      length += shares[s] * own;
      for (int i = 0; i < u.length; i++) {
        u[i] += shares[s] * units.get(s)[i];
      }
    }
    u = scaled(u, 1 / norm(u));
    for (int k = 0; k < iterations; k++) {
      double[] tangent = new double[u.length];
      for (int s = 0; s < shares.length; s++) {
        double cosine = Math.clamp(dot(u, units.get(s)), -1, 1);
        double angle = Math.acos(cosine);
        for (int i = 0; i < u.length && angle > 1e-12; i++) {
          tangent[i] += shares[s] * angle / Math.sin(angle) * (units.get(s)[i] - cosine * u[i]);
        }
      }
      double step = norm(tangent);
      if (step < tol) {
        break;
      }
      for (int i = 0; i < u.length; i++) {
        u[i] = Math.cos(step) * u[i] + Math.sin(step) * tangent[i] / step;
      }
      u = scaled(u, 1 / norm(u));
    }
    return scaled(u, length);
  }

  static double[] modelStock(double[] base, List<double[]> sources) {
    int n = sources.size();
    double sum = 0;
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < n; j++) {
        double[] a = minus(sources.get(i), base);
        double[] b = minus(sources.get(j), base);
        sum += i == j ? 0 : dot(a, b) / (norm(a) * norm(b));
      }
    }
    double cosine = sum / (n * (n - 1));
    double t = n * cosine / (1 + (n - 1) * cosine);
    double[] out = new double[base.length];
    for (int i = 0; i < out.length; i++) {
      double mean = 0;
      for (double[] source : sources) {
        mean += source[i] / n;
      }
      out[i] = t * mean + (1 - t) * base[i];
    }
    return out;
  }

  /** Elements in the order of magnitude, equal ones in their own. */
  static List<Integer> ascending(double[] values) {
    return IntStream.range(0, values.length)
        .boxed()
        .sorted(Comparator.comparingDouble(i -> Math.abs(values[i])))
        .toList();
  }

  static double[] largest(double[] delta, double density) {
    return middle(delta, density, 0);
  }

  static double[] middle(double[] delta, double density, double gamma) {
    int n = delta.length;
    int stay = (int) (density * n);
    int top = (int) (gamma * n);
    int bottom = n - stay - top;
    if (bottom < 0) {
      top += bottom;
      bottom = 0;
    }
    double[] out = new double[n];
    for (int i : ascending(delta).subList(bottom, n - top)) {
      out[i] = delta[i];
    }
    return out;
  }

  /** Words of the random numbers, one by one. */
  private static double uniform(long seed, String tensor, int source, long element) {
    long[] word = new long[1];
    io.heddle.backend.reference.Philox.fill(
        SparseKernel.key(seed, tensor, source), element, word, 1);
    return word[0] / 4294967296.0;
  }

  static double[] random(double[] delta, double p, long seed, String tensor, int source) {
    double[] out = new double[delta.length];
    for (int i = 0; i < out.length; i++) {
      out[i] = uniform(seed, tensor, source, i) < p ? delta[i] / p : 0;
    }
    return out;
  }

  static double[] ranked(
      double[] delta, int row, double p, double epsilon, long seed, String tensor, int source) {
    double[] out = new double[delta.length];
    for (int from = 0; from < delta.length; from += row) {
      double[] part = java.util.Arrays.copyOfRange(delta, from, from + row);
      List<Integer> order = ascending(part);
      for (int rank = 0; rank < row; rank++) {
        int i = order.get(rank);
        double share = row == 1 ? 0.5 : rank / (row - 1.0);
        double keep = p - epsilon + share * 2 * epsilon;
        boolean kept = uniform(seed, tensor, source, from + i) < Math.floor(keep * 0x1p32) / 0x1p32;
        out[from + i] = kept ? part[i] / keep : 0;
      }
    }
    return out;
  }

  /** The sum of thinned differences, by sign if there is an election. */
  static double[] sum(
      double[] base,
      List<double[]> deltas,
      double[] w,
      boolean election,
      boolean normalize,
      double lambda) {
    double[] out = base.clone();
    for (int i = 0; i < out.length; i++) {
      double all = 0;
      double weight = 0;
      for (int s = 0; s < w.length; s++) {
        all += w[s] * deltas.get(s)[i];
        weight += w[s];
      }
      if (election) {
        boolean positive = all >= 0;
        double sum = 0;
        weight = 0;
        for (int s = 0; s < w.length; s++) {
          double term = w[s] * deltas.get(s)[i];
          if (positive ? term > 0 : term < 0) {
            sum += term;
            weight += w[s];
          }
        }
        all = sum;
      }
      out[i] += lambda * (normalize ? all / (weight == 0 ? 1 : weight) : all);
    }
    return out;
  }

  static double[] sce(double[] base, List<double[]> sources, double share) {
    int n = base.length;
    int count = sources.size();
    List<double[]> deltas =
        new ArrayList<>(sources.stream().map(source -> minus(source, base)).toList());
    double[] variance = new double[n];
    int varying = 0;
    for (int i = 0; i < n; i++) {
      double mean = 0;
      for (double[] delta : deltas) {
        mean += delta[i];
      }
      mean /= count;
      for (double[] delta : deltas) {
        variance[i] += (delta[i] - mean) * (delta[i] - mean);
      }
      variance[i] /= count;
      varying += variance[i] != 0 ? 1 : 0;
    }
    if (share < 1) {
      int stay = (int) (share * varying);
      for (int i : ascending(variance).subList(0, n - stay)) {
        deltas.forEach(delta -> delta[i] = 0);
      }
    }
    double[] weights = deltas.stream().mapToDouble(delta -> dot(delta, delta) / n).toArray();
    double all = java.util.Arrays.stream(weights).sum();
    for (int s = 0; s < count; s++) {
      weights[s] = all < 1e-6 ? 1.0 / count : weights[s] / all;
    }
    double[] out = base.clone();
    for (int i = 0; i < n; i++) {
      double total = 0;
      for (double[] delta : deltas) {
        total += delta[i];
      }
      double sum = 0;
      double divisor = 0;
      for (int s = 0; s < count; s++) {
        double d = deltas.get(s)[i];
        if (total >= 0 ? d > 0 : d < 0) {
          sum += weights[s] * d;
          divisor += weights[s];
        }
      }
      out[i] += sum / Math.max(divisor, 1e-6);
    }
    return out;
  }

  /** A setting map of numbers. */
  static Map<String, Setting> settings(Object... keysAndValues) {
    Map<String, Setting> out = new java.util.TreeMap<>();
    for (int i = 0; i < keysAndValues.length; i += 2) {
      out.put((String) keysAndValues[i], Setting.of(((Number) keysAndValues[i + 1]).doubleValue()));
    }
    return out;
  }
}
