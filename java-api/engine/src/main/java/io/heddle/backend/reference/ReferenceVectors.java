package io.heddle.backend.reference;

import io.heddle.op.Params;
import io.heddle.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Training of word vectors, one example after the other, in double. */
final class ReferenceVectors {
  private ReferenceVectors() {}

  /** row_ptr rows target_ptr targets negatives -&gt; input output loss?. */
  static void wordVectors(Params.WordVectors p, @Nullable Tensor[] t) {
    double[] rowPtr = ReferenceBackend.need(t, 0, "row_ptr").toDoubles();
    double[] rows = ReferenceBackend.need(t, 1, "rows").toDoubles();
    double[] targetPtr = ReferenceBackend.need(t, 2, "target_ptr").toDoubles();
    double[] targets = ReferenceBackend.need(t, 3, "targets").toDoubles();
    Tensor negatives = ReferenceBackend.need(t, 4, "negatives");
    Tensor input = ReferenceBackend.need(t, 5, "input");
    Tensor output = ReferenceBackend.need(t, 6, "output");
    Values.size("target_ptr", ReferenceBackend.need(t, 2, "target_ptr"), rowPtr.length);
    double[] in = input.toDoubles();
    double[] out = output.toDoubles();
    double[] absent = negatives.toDoubles();
    int d = Values.features(input);
    int width = Values.features(negatives);
    double[] loss = new double[rowPtr.length - 1];
    for (int e = 0; e < loss.length; e++) {
      int first = start("row_ptr", rowPtr, e, rows.length);
      int last = start("row_ptr", rowPtr, e + 1, rows.length);
      int begin = start("target_ptr", targetPtr, e, targets.length);
      int end = start("target_ptr", targetPtr, e + 1, targets.length);
      if (first == last || begin == end) {
        continue;
      }
      double[] h = new double[d];
      for (int r = first; r < last; r++) {
        int row = Values.id("rows", rows, r, input.dim(0));
        for (int i = 0; i < d; i++) {
          h[i] += in[row * d + i] / (last - first);
        }
      }
      double[] gradient = new double[d];
      for (int k = begin; k < end; k++) {
        List<Integer> scored = new ArrayList<>();
        scored.add(Values.id("targets", targets, k, output.dim(0)));
        for (int j = 0; j < width; j++) {
          if (absent[k * width + j] != -1) {
            scored.add(Values.id("negatives", absent, k * width + j, output.dim(0)));
          }
        }
        loss[e] += target(scored, h, gradient, out, p.lr());
      }
      for (int r = first; r < last; r++) {
        for (int i = 0; i < d; i++) {
          in[((int) rows[r]) * d + i] += gradient[i];
        }
      }
    }
    input.copyFrom(in);
    output.copyFrom(out);
    Values.store(t[7], loss, false);
  }

  // One target (the first of `scored`) and its negatives; the loss.
  private static double target(
      List<Integer> scored, double[] h, double[] gradient, double[] out, double lr) {
    int d = h.length;
    double[] score = new double[scored.size()];
    for (int k = 0; k < score.length; k++) {
      for (int i = 0; i < d; i++) {
        score[k] += h[i] * out[scored.get(k) * d + i];
      }
    }
    double loss = 0;
    for (int k = 0; k < score.length; k++) {
      double g = lr * ((k == 0 ? 1 : 0) - 1 / (1 + Math.exp(-score[k])));
      for (int i = 0; i < d; i++) {
        int at = scored.get(k) * d + i;
        gradient[i] += g * out[at];
        out[at] += g * h[i];
      }
      double wrong = k == 0 ? -score[k] : score[k];
      loss += Math.max(wrong, 0) + Math.log1p(Math.exp(-Math.abs(wrong)));
    }
    return loss;
  }

  private static int start(String name, double[] starts, int at, int count) {
    int least = at == 0 ? 0 : (int) starts[at - 1];
    int start = Values.id(name, starts, at, count + 1L);
    if (start < least) {
      throw new IllegalArgumentException(
          "'%s' has %d at %d, after %d".formatted(name, start, at, least));
    }
    return start;
  }

  /** row column count -&gt; word context word_squares context_squares loss?. */
  static void glove(Params.Glove p, @Nullable Tensor[] t) {
    double[] row = ReferenceBackend.need(t, 0, "row").toDoubles();
    double[] column = ReferenceBackend.need(t, 1, "column").toDoubles();
    double[] count = ReferenceBackend.need(t, 2, "count").toDoubles();
    Tensor word = ReferenceBackend.need(t, 3, "word");
    Tensor context = ReferenceBackend.need(t, 4, "context");
    double[] u = word.toDoubles();
    double[] v = context.toDoubles();
    double[] squaresU = ReferenceBackend.need(t, 5, "word_squares").toDoubles();
    double[] squaresV = ReferenceBackend.need(t, 6, "context_squares").toDoubles();
    int width = Values.features(word);
    int d = width - 1;
    double[] loss = new double[row.length];
    for (int n = 0; n < row.length; n++) {
      int a = Values.id("row", row, n, word.dim(0)) * width;
      int b = Values.id("column", column, n, context.dim(0)) * width;
      if (!(count[n] > 0)) {
        throw new IllegalArgumentException(
            "'count' has " + count[n] + " at " + n + ", expected more than 0");
      }
      double diff = u[a + d] + v[b + d] - Math.log(count[n]);
      for (int i = 0; i < d; i++) {
        diff += u[a + i] * v[b + i];
      }
      double f = Math.min(1, Math.pow(count[n] / p.xMax(), p.alpha())) * diff;
      for (int i = 0; i <= d; i++) {
        double gu = i < d ? f * v[b + i] : f;
        double gv = i < d ? f * u[a + i] : f;
        u[a + i] -= p.lr() * gu / Math.sqrt(squaresU[a + i]);
        v[b + i] -= p.lr() * gv / Math.sqrt(squaresV[b + i]);
        squaresU[a + i] += gu * gu;
        squaresV[b + i] += gv * gv;
      }
      loss[n] = f * diff / 2;
    }
    word.copyFrom(u);
    context.copyFrom(v);
    ReferenceBackend.need(t, 5, "word_squares").copyFrom(squaresU);
    ReferenceBackend.need(t, 6, "context_squares").copyFrom(squaresV);
    Values.store(t[7], loss, false);
  }
}
