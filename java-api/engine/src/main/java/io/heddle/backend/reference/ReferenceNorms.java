package io.heddle.backend.reference;

import io.heddle.op.Params;
import io.heddle.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * Layer norm (Ba et al. 2016) and RMS norm (Zhang &amp; Sennrich 2019), with the residual sum fused
 * in.
 */
final class ReferenceNorms {
  private ReferenceNorms() {}

  /** x residual? weight bias? -&gt; y s? mean? rstd?. */
  static void forward(Params.Norm p, @Nullable Tensor[] t) {
    Tensor x = ReferenceBackend.need(t, 0, "x");
    Tensor weight = ReferenceBackend.need(t, 2, "weight");
    Tensor y = ReferenceBackend.need(t, 4, "y");
    int f = Values.features(x);
    int n = Values.rows(x);
    Values.size("weight", weight, f);
    double[] s = x.toDoubles();
    Tensor residual = t[1];
    if (residual != null) {
      double[] r = residual.toDoubles();
      for (int i = 0; i < s.length; i++) {
        s[i] += r[i];
      }
    }
    Tensor sum = t[5];
    if (sum != null) {
      sum.copyFrom(s);
      s = sum.toDoubles(); // what is stored is what is normalised
    }
    double[] w = weight.toDoubles();
    double[] b = Values.orZeros(t[3], f);
    double[] out = new double[s.length];
    double[] mean = new double[n];
    double[] rstd = new double[n];
    for (int r = 0; r < n; r++) {
      mean[r] = p.kind() == 0 ? mean(s, r * f, f, 0, 1) : 0;
      rstd[r] = 1 / Math.sqrt(mean(s, r * f, f, mean[r], 2) + p.eps());
      for (int i = 0; i < f; i++) {
        out[r * f + i] = (s[r * f + i] - mean[r]) * rstd[r] * (w[i] + p.weightOffset()) + b[i];
      }
    }
    y.copyFrom(out);
    Values.store(t[6], mean, false);
    Values.store(t[7], rstd, false);
  }

  // Mean of (x - c)^power over a row.
  private static double mean(double[] x, int from, int f, double c, int power) {
    double sum = 0;
    for (int i = 0; i < f; i++) {
      double d = x[from + i] - c;
      sum += power == 1 ? d : d * d;
    }
    return sum / f;
  }

  /**
   * dy ds? s weight mean? rstd -&gt; dx dweight? dbias?: dx = ds + rstd (g - mean(g) - xhat mean(g
   * xhat)), g = dy w.
   */
  static void backward(Params.Norm p, @Nullable Tensor[] t) {
    Tensor s = ReferenceBackend.need(t, 2, "s");
    int f = Values.features(s);
    int n = Values.rows(s);
    double[] dy = ReferenceBackend.need(t, 0, "dy").toDoubles();
    double[] ds = Values.orZeros(t[1], dy.length);
    double[] x = s.toDoubles();
    double[] w = ReferenceBackend.need(t, 3, "weight").toDoubles();
    double[] mean = Values.orZeros(p.kind() == 0 ? t[4] : null, n);
    double[] rstd = ReferenceBackend.need(t, 5, "rstd").toDoubles();
    double[] dx = new double[dy.length];
    double[] dw = new double[f];
    double[] db = new double[f];
    for (int r = 0; r < n; r++) {
      double first = 0;
      double second = 0;
      for (int i = 0; i < f; i++) {
        double hat = (x[r * f + i] - mean[r]) * rstd[r];
        double g = dy[r * f + i] * (w[i] + p.weightOffset());
        first += g / f;
        second += g * hat / f;
        dw[i] += dy[r * f + i] * hat;
        db[i] += dy[r * f + i];
      }
      for (int i = 0; i < f; i++) {
        double hat = (x[r * f + i] - mean[r]) * rstd[r];
        double g = dy[r * f + i] * (w[i] + p.weightOffset());
        dx[r * f + i] = ds[r * f + i] + rstd[r] * (g - (p.kind() == 0 ? first : 0) - hat * second);
      }
    }
    ReferenceBackend.need(t, 6, "dx").copyFrom(dx);
    Values.store(t[7], dw, p.accumulate() != 0);
    Values.store(t[8], db, p.accumulate() != 0);
  }
}
