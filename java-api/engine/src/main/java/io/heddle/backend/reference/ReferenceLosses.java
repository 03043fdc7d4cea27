package io.heddle.backend.reference;

import io.heddle.op.Params;
import io.heddle.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** Embedding, softmax and cross-entropy. */
final class ReferenceLosses {
  private ReferenceLosses() {}

  /** table ids -&gt; y. */
  static void embedding(@Nullable Tensor[] t) {
    Tensor table = ReferenceBackend.need(t, 0, "table");
    double[] ids = ReferenceBackend.need(t, 1, "ids").toDoubles();
    int f = Values.features(table);
    double[] rows = table.toDoubles();
    double[] out = new double[ids.length * f];
    for (int n = 0; n < ids.length; n++) {
      System.arraycopy(rows, Values.id("ids", ids, n, table.dim(0)) * f, out, n * f, f);
    }
    ReferenceBackend.need(t, 2, "y").copyFrom(out);
  }

  /** x -&gt; y. */
  static void argmax(@Nullable Tensor[] t) {
    Tensor x = ReferenceBackend.need(t, 0, "x");
    double[] values = x.toDoubles();
    int n = Values.features(x);
    double[] out = new double[(int) x.dim(0)];
    for (int r = 0; r < out.length; r++) {
      double best = Double.NEGATIVE_INFINITY;
      for (int i = 0; i < n; i++) {
        if (values[r * n + i] > best) {
          best = values[r * n + i];
          out[r] = i;
        }
      }
    }
    ReferenceBackend.need(t, 1, "y").copyFrom(out);
  }

  /** dy ids -&gt; dtable. */
  static void embeddingBackward(Params.Embedding p, @Nullable Tensor[] t) {
    double[] dy = ReferenceBackend.need(t, 0, "dy").toDoubles();
    double[] ids = ReferenceBackend.need(t, 1, "ids").toDoubles();
    Tensor table = ReferenceBackend.need(t, 2, "dtable");
    int f = Values.features(table);
    double[] out = new double[(int) table.size()];
    for (int n = 0; n < ids.length; n++) {
      int id = Values.id("ids", ids, n, table.dim(0));
      for (int i = 0; i < f; i++) {
        out[id * f + i] += dy[n * f + i];
      }
    }
    Values.store(table, out, p.accumulate() != 0);
  }

  // softmax of a row; a row of -inf gives 0.
  private static double[] softmax(double[] x, int from, int n) {
    double high = Double.NEGATIVE_INFINITY;
    for (int i = 0; i < n; i++) {
      high = Math.max(high, x[from + i]);
    }
    double[] out = new double[n];
    if (high == Double.NEGATIVE_INFINITY) {
      return out;
    }
    double sum = 0;
    for (int i = 0; i < n; i++) {
      out[i] = Math.exp(x[from + i] - high);
      sum += out[i];
    }
    for (int i = 0; i < n; i++) {
      out[i] /= sum;
    }
    return out;
  }

  /** x -&gt; y. */
  static void softmaxForward(@Nullable Tensor[] t) {
    Tensor x = ReferenceBackend.need(t, 0, "x");
    int f = Values.features(x);
    double[] in = x.toDoubles();
    double[] out = new double[in.length];
    for (int r = 0; r < Values.rows(x); r++) {
      System.arraycopy(softmax(in, r * f, f), 0, out, r * f, f);
    }
    ReferenceBackend.need(t, 1, "y").copyFrom(out);
  }

  /** dy y -&gt; dx: dx = y (dy - sum(y dy)). */
  static void softmaxBackward(@Nullable Tensor[] t) {
    Tensor dyTensor = ReferenceBackend.need(t, 0, "dy");
    int f = Values.features(dyTensor);
    double[] dy = dyTensor.toDoubles();
    double[] y = ReferenceBackend.need(t, 1, "y").toDoubles();
    for (int r = 0; r < Values.rows(dyTensor); r++) {
      double dot = 0;
      for (int i = 0; i < f; i++) {
        dot += y[r * f + i] * dy[r * f + i];
      }
      for (int i = 0; i < f; i++) {
        dy[r * f + i] = y[r * f + i] * (dy[r * f + i] - dot);
      }
    }
    ReferenceBackend.need(t, 2, "dx").copyFrom(dy);
  }

  /** logits targets -&gt; loss dlogits?. */
  static void crossEntropy(Params.CrossEntropy p, @Nullable Tensor[] t) {
    Tensor logits = ReferenceBackend.need(t, 0, "logits");
    double[] targets = ReferenceBackend.need(t, 1, "targets").toDoubles();
    int vocabulary = Values.features(logits);
    double[] x = logits.toDoubles();
    double[] loss = new double[targets.length];
    double[] gradient = new double[x.length];
    double e = p.labelSmoothing();
    for (int n = 0; n < targets.length; n++) {
      if ((long) targets[n] == p.ignoreIndex()) {
        continue;
      }
      int target = Values.id("targets", targets, n, vocabulary);
      double[] soft = softmax(x, n * vocabulary, vocabulary);
      double high = Double.NEGATIVE_INFINITY;
      for (int i = 0; i < vocabulary; i++) {
        high = Math.max(high, x[n * vocabulary + i]);
      }
      double sum = 0;
      for (int i = 0; i < vocabulary; i++) {
        sum += Math.exp(x[n * vocabulary + i] - high);
      }
      double lse = high + Math.log(sum);
      for (int i = 0; i < vocabulary; i++) {
        double wanted = (i == target ? 1 - e : 0) + e / vocabulary;
        loss[n] += wanted == 0 ? 0 : wanted * (lse - x[n * vocabulary + i]);
        gradient[n * vocabulary + i] = p.gradScale() * (soft[i] - wanted);
      }
    }
    ReferenceBackend.need(t, 2, "loss").copyFrom(loss);
    Values.store(t[3], gradient, false);
  }
}
