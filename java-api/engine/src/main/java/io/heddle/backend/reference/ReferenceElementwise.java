package io.heddle.backend.reference;

import io.heddle.op.Params;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/** Element-wise ops, reductions, dropout, the optimiser step and weighted sums of sources. */
final class ReferenceElementwise {
  private ReferenceElementwise() {}

  /** a b -&gt; y. */
  static void binary(Params.Binary p, @Nullable Tensor[] t) {
    Tensor y = ReferenceBackend.need(t, 2, "y");
    double[] a = ReferenceBackend.need(t, 0, "a").expand(y.shape()).toDoubles();
    double[] b = ReferenceBackend.need(t, 1, "b").expand(y.shape()).toDoubles();
    for (int i = 0; i < a.length; i++) {
      double u = p.alpha() * a[i];
      double w = p.beta() * b[i];
      a[i] =
          switch (p.kind()) {
            case 0 -> u + w;
            case 1 -> u - w;
            case 2 -> u * w;
            case 3 -> u / w;
            case 4 -> Math.max(u, w);
            case 5 -> Math.min(u, w);
            default ->
                throw new IllegalArgumentException("binary kind " + p.kind() + " is not known");
          };
    }
    y.copyFrom(a);
  }

  /** x -&gt; y. */
  static void unary(Params.Unary p, @Nullable Tensor[] t) {
    double[] x = ReferenceBackend.need(t, 0, "x").toDoubles();
    for (int i = 0; i < x.length; i++) {
      double z = p.scale() * x[i] + p.shift();
      x[i] =
          switch (p.kind()) {
            case 0 -> z;
            case 1 -> Math.exp(z);
            case 2 -> Math.log(z);
            case 3 -> Math.sqrt(z);
            case 4 -> 1 / z;
            case 5 -> z * z;
            case 6 -> Math.abs(z);
            case 7, 8, 9 -> ReferenceActivations.f(p.kind() == 9 ? 1 : p.kind() - 2, z);
            default ->
                throw new IllegalArgumentException("unary kind " + p.kind() + " is not known");
          };
    }
    ReferenceBackend.need(t, 1, "y").copyFrom(x);
  }

  /** x -&gt; y, over the dimensions where y has size 1. */
  static void reduce(Params.Reduce p, @Nullable Tensor[] t) {
    Tensor x = ReferenceBackend.need(t, 0, "x");
    Tensor y = ReferenceBackend.need(t, 1, "y");
    double[] in = x.toDoubles();
    double[] out = new double[(int) y.size()];
    Arrays.fill(out, p.kind() == 2 ? Double.NEGATIVE_INFINITY : 0);
    long[] strides = new long[x.rank()];
    long stride = 1;
    for (int d = x.rank() - 1; d >= 0; d--) {
      strides[d] = y.dim(d) == 1 ? 0 : stride;
      stride *= y.dim(d);
    }
    io.heddle.tensor.Shapes.forEach(
        x.shape(),
        strides,
        (i, at) -> {
          double value = in[(int) i];
          out[(int) at] = p.kind() == 2 ? Math.max(out[(int) at], value) : out[(int) at] + value;
        });
    if (p.kind() == 1) {
      for (int i = 0; i < out.length; i++) {
        out[i] /= (double) in.length / out.length;
      }
    }
    Values.store(y, out, p.accumulate() != 0);
  }

  /** x -&gt; y. */
  static void dropout(Params.Dropout p, @Nullable Tensor[] t) {
    double[] x = ReferenceBackend.need(t, 0, "x").toDoubles();
    long offset = p.offset() + (t[1] == null ? 0 : (long) t[1].get(0));
    for (int i = 0; i < x.length; i++) {
      long word = Philox.word(i % 4, i / 4, 0, (int) offset, (int) (offset >>> 32), p.seed());
      x[i] = Philox.keeps(word, p.p()) ? x[i] / (1 - (double) p.p()) : 0;
    }
    ReferenceBackend.need(t, 2, "y").copyFrom(x);
  }

  /** x -&gt; y[1]. */
  static void sumSquares(@Nullable Tensor[] t) {
    double sum = 0;
    for (double x : ReferenceBackend.need(t, 0, "x").toDoubles()) {
      sum += x * x;
    }
    ReferenceBackend.need(t, 1, "y").copyFrom(new double[] {sum});
  }

  /** squares -&gt; norm factor. */
  static void clip(Params.Clip p, @Nullable Tensor[] t) {
    double norm =
        Math.sqrt(Arrays.stream(ReferenceBackend.need(t, 0, "squares").toDoubles()).sum());
    double factor = p.maxNorm() <= 0 ? 1 : Math.min(1, p.maxNorm() / (norm + 1e-6));
    ReferenceBackend.need(t, 1, "norm").copyFrom(new double[] {norm});
    ReferenceBackend.need(t, 2, "factor").copyFrom(new double[] {factor});
  }

  /** grad factor? rates? -&gt; param m v master?, as torch.optim.AdamW. */
  static void adamw(Params.Adamw p, @Nullable Tensor[] t) {
    Tensor param = ReferenceBackend.need(t, 3, "param");
    Tensor master = t[6];
    double[] g = ReferenceBackend.need(t, 0, "grad").toDoubles();
    double factor = t[1] == null ? 1 : t[1].get(0);
    double[] w = (master == null ? param : master).toDoubles();
    double[] m = ReferenceBackend.need(t, 4, "m").toDoubles();
    double[] v = ReferenceBackend.need(t, 5, "v").toDoubles();
    double b1 = p.beta1();
    double b2 = p.beta2();
    double[] rates =
        t[2] != null
            ? t[2].toDoubles()
            : new double[] {
              1 - (double) p.lr() * p.weightDecay(),
              p.lr() / (double) p.correction1(),
              1 / Math.sqrt(p.correction2())
            };
    for (int i = 0; i < w.length; i++) {
      double grad = g[i] * factor;
      m[i] = b1 * m[i] + (1 - b1) * grad;
      v[i] = b2 * v[i] + (1 - b2) * grad * grad;
      w[i] = w[i] * rates[0] - rates[1] * m[i] / (Math.sqrt(v[i]) * rates[2] + p.eps());
    }
    ReferenceBackend.need(t, 4, "m").copyFrom(m);
    ReferenceBackend.need(t, 5, "v").copyFrom(v);
    if (master != null) {
      master.copyFrom(w);
      param.copyFrom(master.toDoubles());
    } else {
      param.copyFrom(w);
    }
  }

  /** base? weights source* -&gt; y. */
  static void combination(@Nullable Tensor[] t) {
    Tensor y = ReferenceBackend.need(t, t.length - 1, "y");
    double[] weights = ReferenceBackend.need(t, 1, "weights").toDoubles();
    if (weights.length != t.length - 3) {
      throw new IllegalArgumentException(
          weights.length + " weights for " + (t.length - 3) + " sources");
    }
    Tensor base = t[0];
    if (base != null && base.dtype() == y.dtype() && Arrays.stream(weights).allMatch(w -> w == 0)) {
      y.segment().copyFrom(base.segment().asSlice(0, y.size() * (long) y.dtype().bytes()));
      return;
    }
    double[] b = Values.orZeros(base, (int) y.size());
    double[] out = b.clone();
    if (base == null) {
      Arrays.fill(out, -0.0); // a sum of nothing that leaves the sign of a zero alone
    }
    for (int s = 0; s < weights.length; s++) {
      double[] x = ReferenceBackend.need(t, 2 + s, "source").toDoubles();
      if (x.length != out.length) {
        throw new IllegalArgumentException(
            "source " + s + " has " + x.length + " elements, expected " + out.length);
      }
      for (int i = 0; i < out.length; i++) {
        out[i] += weights[s] * (x[i] - b[i]);
      }
    }
    y.copyFrom(out);
  }

  /** x w scale bias? -&gt; y: y = scale (x (w - 128)^T) + bias. */
  static void linearInt8(@Nullable Tensor[] t) {
    Tensor x = ReferenceBackend.need(t, 0, "x");
    Tensor w = ReferenceBackend.need(t, 1, "w");
    Tensor y = ReferenceBackend.need(t, 4, "y");
    int width = (int) w.dim(1);
    int outputs = (int) w.dim(0);
    if (x.dim(-1) != width || y.dim(-1) != outputs) {
      throw new IllegalArgumentException(
          "linear_int8 of " + x + " and " + w + " into " + y + ": the shapes do not go together");
    }
    double[] scales = ReferenceBackend.need(t, 2, "scale").toDoubles();
    double[] in = x.toDoubles();
    double[] bytes = w.toDoubles();
    double[] add = Values.orZeros(t[3], outputs);
    double[] out = new double[(int) y.size()];
    for (int i = 0; i < out.length; i++) {
      int from = i / outputs * width;
      int m = i % outputs;
      double sum = 0;
      for (int k = 0; k < width; k++) {
        sum += in[from + k] * (bytes[m * width + k] - 128);
      }
      out[i] = sum * scales[m] + add[m];
    }
    y.copyFrom(out);
  }

  /** c = alpha a b + beta c + bias, 2 or 3 dimensions. */
  static void matmul(
      Tensor a, Tensor b, @Nullable Tensor bias, Tensor c, double alpha, double beta) {
    int rank = c.rank();
    if (a.rank() != rank
        || b.rank() != rank
        || a.dim(-1) != b.dim(-2)
        || a.dim(-2) != c.dim(-2)
        || b.dim(-1) != c.dim(-1)) {
      throw new IllegalArgumentException(
          "matmul of " + a + " and " + b + " into " + c + ": the shapes do not go together");
    }
    int m = (int) c.dim(-2);
    int n = (int) c.dim(-1);
    int k = (int) a.dim(-1);
    int batch = rank == 3 ? (int) c.dim(0) : 1;
    double[] x = a.toDoubles();
    double[] y = b.toDoubles();
    double[] old = beta == 0 ? new double[batch * m * n] : c.toDoubles();
    double[] add = Values.orZeros(bias, n);
    double[] out = new double[batch * m * n];
    for (int row = 0; row < batch * m; row++) {
      double[] sum = new double[n];
      for (int i = 0; i < k; i++) {
        double left = x[row * k + i];
        int right = (row / m * k + i) * n;
        for (int j = 0; j < n; j++) {
          sum[j] += left * y[right + j];
        }
      }
      for (int j = 0; j < n; j++) {
        out[row * n + j] = alpha * sum[j] + beta * old[row * n + j] + add[j];
      }
    }
    if (c.dtype() == DType.F64 || out.length > 0) {
      c.copyFrom(out);
    }
  }
}
