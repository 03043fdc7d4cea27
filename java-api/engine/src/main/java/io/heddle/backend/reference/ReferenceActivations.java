package io.heddle.backend.reference;

import io.heddle.op.Params;
import io.heddle.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** Element-wise activations with a bias, and their gated forms (Shazeer 2020). */
final class ReferenceActivations {
  private static final double ROOT = Math.sqrt(2 / Math.PI);

  private ReferenceActivations() {}

  static double f(int kind, double x) {
    return switch (kind) {
      case 0 -> x;
      case 1 -> x > 0 ? x : Double.isNaN(x) ? x : 0;
      case 2 -> 0.5 * x * (1 + erf(x / Math.sqrt(2)));
      case 3 -> 0.5 * x * (1 + Math.tanh(ROOT * (x + 0.044715 * x * x * x)));
      case 4 -> x / (1 + Math.exp(-x));
      case 5 -> Math.tanh(x);
      case 6 -> 1 / (1 + Math.exp(-x));
      default -> throw new IllegalArgumentException("activation kind " + kind + " is not known");
    };
  }

  static double derivative(int kind, double x) {
    return switch (kind) {
      case 0 -> 1;
      case 1 -> x > 0 ? 1 : 0;
      case 2 ->
          0.5 * (1 + erf(x / Math.sqrt(2))) + x * Math.exp(-x * x / 2) / Math.sqrt(2 * Math.PI);
      case 3 -> {
        double th = Math.tanh(ROOT * (x + 0.044715 * x * x * x));
        yield 0.5 * (1 + th) + 0.5 * x * (1 - th * th) * ROOT * (1 + 3 * 0.044715 * x * x);
      }
      case 4 -> {
        double s = 1 / (1 + Math.exp(-x));
        yield s * (1 + x * (1 - s));
      }
      case 5 -> 1 - Math.tanh(x) * Math.tanh(x);
      case 6 -> f(6, x) * (1 - f(6, x));
      default -> throw new IllegalArgumentException("activation kind " + kind + " is not known");
    };
  }

  // Series near 0, continued fraction elsewhere (Abramowitz & Stegun 7.1.6 and 7.1.14).
  static double erf(double x) {
    double a = Math.abs(x);
    if (!(a < 2.5)) {
      if (Double.isNaN(a)) {
        return a;
      }
      double fraction = 0;
      for (int k = 60; k >= 1; k--) {
        fraction = k / 2.0 / (a + fraction);
      }
      double tail = Math.exp(-a * a) / (Math.sqrt(Math.PI) * (a + fraction));
      return Math.signum(x) * (1 - tail);
    }
    double term = x;
    double sum = x;
    for (int k = 1; k < 100; k++) {
      term *= 2 * x * x / (2 * k + 1);
      sum += term;
    }
    return 2 / Math.sqrt(Math.PI) * Math.exp(-x * x) * sum;
  }

  /** x bias? -&gt; y. */
  static void forward(Params.Activation p, @Nullable Tensor[] t) {
    Tensor x = ReferenceBackend.need(t, 0, "x");
    double[] in = x.toDoubles();
    double[] b = Values.orZeros(t[1], Values.features(x));
    for (int i = 0; i < in.length; i++) {
      in[i] = f(p.kind(), in[i] + b[i % b.length]);
    }
    ReferenceBackend.need(t, 2, "y").copyFrom(in);
  }

  /** dy x bias? -&gt; dx dbias?. */
  static void backward(Params.Activation p, @Nullable Tensor[] t) {
    Tensor x = ReferenceBackend.need(t, 1, "x");
    double[] dy = ReferenceBackend.need(t, 0, "dy").toDoubles();
    double[] in = x.toDoubles();
    double[] b = Values.orZeros(t[2], Values.features(x));
    double[] db = new double[b.length];
    for (int i = 0; i < in.length; i++) {
      dy[i] *= derivative(p.kind(), in[i] + b[i % b.length]);
      db[i % b.length] += dy[i];
    }
    ReferenceBackend.need(t, 3, "dx").copyFrom(dy);
    Values.store(t[4], db, p.accumulate() != 0);
  }

  /** x (gate, up) bias? -&gt; y. */
  static void gatedForward(Params.Activation p, @Nullable Tensor[] t) {
    Tensor x = ReferenceBackend.need(t, 0, "x");
    int f = Values.features(x) / 2;
    double[] in = x.toDoubles();
    double[] b = Values.orZeros(t[1], 2 * f);
    double[] out = new double[in.length / 2];
    for (int i = 0; i < out.length; i++) {
      int gate = i / f * 2 * f + i % f;
      out[i] = f(p.kind(), in[gate] + b[i % f]) * (in[gate + f] + b[f + i % f]);
    }
    ReferenceBackend.need(t, 2, "y").copyFrom(out);
  }

  /** dy x bias? -&gt; dx dbias?. */
  static void gatedBackward(Params.Activation p, @Nullable Tensor[] t) {
    Tensor x = ReferenceBackend.need(t, 1, "x");
    int f = Values.features(x) / 2;
    double[] dy = ReferenceBackend.need(t, 0, "dy").toDoubles();
    double[] in = x.toDoubles();
    double[] b = Values.orZeros(t[2], 2 * f);
    double[] dx = new double[in.length];
    double[] db = new double[2 * f];
    for (int i = 0; i < dy.length; i++) {
      int gate = i / f * 2 * f + i % f;
      double g = in[gate] + b[i % f];
      double u = in[gate + f] + b[f + i % f];
      dx[gate] = dy[i] * derivative(p.kind(), g) * u;
      dx[gate + f] = dy[i] * f(p.kind(), g);
      db[i % f] += dx[gate];
      db[f + i % f] += dx[gate + f];
    }
    ReferenceBackend.need(t, 3, "dx").copyFrom(dx);
    Values.store(t[4], db, p.accumulate() != 0);
  }
}
