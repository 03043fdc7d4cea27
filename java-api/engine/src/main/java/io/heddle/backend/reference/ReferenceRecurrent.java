package io.heddle.backend.reference;

import io.heddle.op.Params;
import io.heddle.tensor.Tensor;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * The steps of an LSTM (Hochreiter &amp; Schmidhuber 1997) and of a GRU (Cho et al. 2014), as
 * torch.nn.LSTM and torch.nn.GRU have them, after the product with the inputs.
 */
final class ReferenceRecurrent {
  private static final int LSTM = 0;
  private static final int KEPT = 4; // numbers of a feature that the way back needs

  private final int gates;
  private final boolean reverse;
  private final int steps;
  private final int rows;
  private final int features;
  private final double[] weight;

  private ReferenceRecurrent(Params.Recurrent p, Tensor y, Tensor weight) {
    this.gates = p.kind() == LSTM ? 4 : 3;
    this.reverse = p.reverse() != 0;
    this.steps = (int) y.dim(0);
    this.rows = (int) y.dim(1);
    this.features = (int) y.dim(2);
    Values.size("weight", weight, (long) gates * features * features);
    this.weight = weight.toDoubles();
  }

  private static double sigmoid(double x) {
    return 1 / (1 + Math.exp(-x));
  }

  // Where a row of a step begins in a tensor [T,B,times F].
  private int at(int step, int row, int times) {
    return ((reverse ? steps - 1 - step : step) * rows + row) * times * features;
  }

  private double[] state(String name, @Nullable Tensor x) {
    if (x != null) {
      Values.size(name, x, (long) rows * features);
    }
    return Values.orZeros(x, rows * features);
  }

  /** gates weight bias? h0? c0? -&gt; y act c?. */
  static void forward(Params.Recurrent p, @Nullable Tensor[] t) {
    Tensor y = ReferenceBackend.need(t, 5, "y");
    new ReferenceRecurrent(p, y, ReferenceBackend.need(t, 1, "weight")).forward(t, y);
  }

  private void forward(@Nullable Tensor[] t, Tensor y) {
    Tensor in = ReferenceBackend.need(t, 0, "gates");
    Values.size("gates", in, gates * y.size());
    double[] x = in.toDoubles();
    double[] bias = Values.orZeros(t[2], gates * features);
    double[] h = state("h0", t[3]);
    double[] cell = state("c0", t[4]);
    double[] outputs = new double[x.length / gates];
    double[] cells = new double[outputs.length];
    double[] act = new double[KEPT * outputs.length];
    for (int step = 0; step < steps; step++) {
      double[] before = h.clone();
      for (int row = 0; row < rows; row++) {
        for (int j = 0; j < features; j++) {
          double[] own = new double[gates];
          for (int g = 0; g < gates; g++) {
            own[g] = bias[g * features + j] + product(before, row, g * features + j);
          }
          int state = row * features + j;
          double[] made = unit(x, at(step, row, gates) + j, own, h, cell, state);
          for (int g = 0; g < KEPT; g++) {
            act[at(step, row, KEPT) + g * features + j] = made[g];
          }
          outputs[at(step, row, 1) + j] = h[state];
          cells[at(step, row, 1) + j] = cell[state];
        }
      }
    }
    y.copyFrom(outputs);
    ReferenceBackend.need(t, 6, "act").copyFrom(act);
    if (gates == 4) {
      ReferenceBackend.need(t, 7, "c").copyFrom(cells);
    }
  }

  private double product(double[] h, int row, int gate) {
    double sum = 0;
    for (int k = 0; k < features; k++) {
      sum += weight[gate * features + k] * h[row * features + k];
    }
    return sum;
  }

  // What one feature keeps; h and cell become those after the step.
  private double[] unit(double[] x, int at, double[] own, double[] h, double[] cell, int state) {
    double first = sigmoid(x[at] + own[0]);
    double second = sigmoid(x[at + features] + own[1]);
    if (gates == 4) {
      double g = Math.tanh(x[at + 2 * features] + own[2]);
      double o = sigmoid(x[at + 3 * features] + own[3]);
      cell[state] = second * cell[state] + first * g;
      h[state] = o * Math.tanh(cell[state]);
      return new double[] {first, second, g, o};
    }
    double n = Math.tanh(x[at + 2 * features] + first * own[2]);
    h[state] = n + second * (h[state] - n);
    return new double[] {first, second, n, own[2]};
  }

  /** dy dh? dc? weight act y h0? c? c0? -&gt; dgates dhidden? dh0? dc0?. */
  static void backward(Params.Recurrent p, @Nullable Tensor[] t) {
    Tensor dy = ReferenceBackend.need(t, 0, "dy");
    new ReferenceRecurrent(p, dy, ReferenceBackend.need(t, 3, "weight")).backward(t, dy);
  }

  private void backward(@Nullable Tensor[] t, Tensor dy) {
    double[] up = dy.toDoubles();
    double[] act = ReferenceBackend.need(t, 4, "act").toDoubles();
    // Of an LSTM the slope needs the cell before a step, of a GRU the output.
    double[] states = ReferenceBackend.need(t, gates == 4 ? 7 : 5, "c or y").toDoubles();
    double[] first = gates == 4 ? state("c0", t[8]) : state("h0", t[6]);
    double[] dh = state("dh", t[1]);
    double[] dc = state("dc", t[2]);
    double[] dgates = new double[gates * up.length];
    double[] dhidden = new double[dgates.length];
    for (int step = steps - 1; step >= 0; step--) {
      double[] direct = new double[dh.length];
      for (int row = 0; row < rows; row++) {
        for (int j = 0; j < features; j++) {
          int state = row * features + j;
          int here = at(step, row, 1) + j;
          double before = step == 0 ? first[state] : states[at(step - 1, row, 1) + j];
          double through = dh[state] + up[here];
          int kept = at(step, row, KEPT) + j;
          int to = at(step, row, gates) + j;
          if (gates == 4) {
            dc[state] = lstm(act, kept, states[here], before, through, dc[state], dgates, to);
            copy(dgates, dhidden, to);
          } else {
            direct[state] = gru(act, kept, before, through, dgates, dhidden, to);
          }
        }
      }
      dh = earlier(step, dhidden, direct);
    }
    ReferenceBackend.need(t, 9, "dgates").copyFrom(dgates);
    if (gates == 3) {
      ReferenceBackend.need(t, 10, "dhidden").copyFrom(dhidden);
    }
    Values.store(t[11], dh, false);
    Values.store(t[12], dc, false);
  }

  private void copy(double[] from, double[] to, int at) {
    for (int g = 0; g < gates; g++) {
      to[at + g * features] = from[at + g * features];
    }
  }

  // The gradient of the cell before the step.
  private double lstm(
      double[] act,
      int kept,
      double now,
      double before,
      double dh,
      double dc,
      double[] dgates,
      int to) {
    double i = act[kept];
    double f = act[kept + features];
    double g = act[kept + 2 * features];
    double o = act[kept + 3 * features];
    double tanh = Math.tanh(now);
    double cell = dc + dh * o * (1 - tanh * tanh);
    dgates[to] = cell * g * i * (1 - i);
    dgates[to + features] = cell * before * f * (1 - f);
    dgates[to + 2 * features] = cell * i * (1 - g * g);
    dgates[to + 3 * features] = dh * tanh * o * (1 - o);
    return cell * f;
  }

  // The gradient of the output before the step but for what goes through the product.
  private double gru(
      double[] act, int kept, double before, double dh, double[] dgates, double[] dhidden, int to) {
    double r = act[kept];
    double z = act[kept + features];
    double n = act[kept + 2 * features];
    double dn = dh * (1 - z) * (1 - n * n);
    dgates[to] = dn * act[kept + 3 * features] * r * (1 - r);
    dgates[to + features] = dh * (before - n) * z * (1 - z);
    dgates[to + 2 * features] = dn;
    copy(dgates, dhidden, to);
    dhidden[to + 2 * features] = dn * r;
    return dh * z;
  }

  // The gradient of the outputs before a step.
  private double[] earlier(int step, double[] dhidden, double[] direct) {
    double[] dh = Arrays.copyOf(direct, direct.length);
    for (int row = 0; row < rows; row++) {
      for (int k = 0; k < gates * features; k++) {
        double d = dhidden[at(step, row, gates) + k];
        for (int j = 0; j < features; j++) {
          dh[row * features + j] += d * weight[k * features + j];
        }
      }
    }
    return dh;
  }
}
