package io.heddle.methods.toolkit;

/** Pearson's test of counts against odds. */
final class ChiSquare {
  private static final int TERMS = 500;
  private static final double TINY = 1e-300;

  private ChiSquare() {}

  /**
   * How often counts drawn by these odds would be as far from them as {@code counts} are, or
   * further.
   *
   * @param counts of each kind
   * @param odds of each kind; where they are 0 nothing may have been drawn, else the answer is 0
   */
  static double tail(long[] counts, double[] odds) {
    long all = 0;
    for (long count : counts) {
      all += count;
    }
    double sum = 0;
    int kinds = 0;
    for (int i = 0; i < counts.length; i++) {
      if (odds[i] == 0) {
        if (counts[i] > 0) {
          return 0;
        }
        continue;
      }
      double wanted = all * odds[i];
      sum += (counts[i] - wanted) * (counts[i] - wanted) / wanted;
      kinds++;
    }
    return kinds < 2 ? 1 : upper((kinds - 1) / 2.0, sum / 2);
  }

  // The regularised upper incomplete gamma function Q(a, x): by its series below a + 1, by Lentz's
  // continued fraction above (Press et al., Numerical Recipes, 6.2).
  private static double upper(double a, double x) {
    if (x <= 0) {
      return 1;
    }
    double scale = Math.exp(a * Math.log(x) - x - logGamma(a));
    if (x < a + 1) {
      double term = 1 / a;
      double sum = term;
      for (int i = 1; i < TERMS && term > sum * 1e-16; i++) {
        term *= x / (a + i);
        sum += term;
      }
      return Math.max(0, 1 - scale * sum);
    }
    double b = x + 1 - a;
    double c = 1 / TINY;
    double d = 1 / b;
    double h = d;
    for (int i = 1; i < TERMS; i++) {
      double an = -i * (i - a);
      b += 2;
      d = 1 / bounded(an * d + b);
      c = bounded(b + an / c);
      h *= d * c;
      if (Math.abs(d * c - 1) < 1e-15) {
        break;
      }
    }
    return scale * h;
  }

  private static double bounded(double value) {
    return Math.abs(value) < TINY ? TINY : value;
  }

  // Half degrees of freedom are whole numbers or halves.
  private static double logGamma(double a) {
    double at = a % 1 == 0 ? 1 : 0.5;
    double out = a % 1 == 0 ? 0 : Math.log(Math.sqrt(Math.PI));
    for (; at < a; at++) {
      out += Math.log(at);
    }
    return out;
  }
}
