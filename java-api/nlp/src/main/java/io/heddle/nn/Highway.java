package io.heddle.nn;

import io.heddle.autograd.Tape;
import io.heddle.op.Layers;
import io.heddle.tensor.Tensor;
import java.util.Arrays;

/**
 * Highway layers (Srivastava et al. 2015): {@code y = g f(W x + b) + (1 - g) x} with the gate
 * {@code g = sigmoid(W' x + b')}. Layer i has {@code prefix + "i.weight"} [2F, F] and {@code
 * .bias}, what is transformed before the gate.
 */
public final class Highway {
  /** Bias of fresh gates: at first most of x passes, as GluonNLP has it. */
  public static final float CLOSED = -2;

  private static final int RELU = 1;
  private static final int SIGMOID = 6;

  private Highway() {}

  /** Makes the parameters of {@code layers} layers of F features. */
  public static void create(Parameters p, String prefix, int layers, int features, long seed) {
    for (int i = 0; i < layers; i++) {
      double deviation = 1 / Math.sqrt(features);
      Modules.linear(p, prefix + i, deviation, seed, false, 2L * features, features);
      float[] bias = new float[2 * features];
      Arrays.fill(bias, features, bias.length, CLOSED);
      p.constant(prefix + i + ".bias", 0, bias.length).copyFrom(bias);
    }
  }

  /**
   * Runs the layers.
   *
   * @param x [N, F]
   * @return [N, F]
   */
  public static Tensor run(Tape t, Parameters p, String prefix, int layers, Tensor x) {
    Tensor at = x;
    long f = x.dim(1);
    for (int i = 0; i < layers; i++) {
      Tensor both = Modules.linear(t, p, prefix + i, at);
      Tensor fresh = Layers.activation(t, RELU, Layers.copy(t, both, v -> v.slice(1, 0, f)), null);
      Tensor gate =
          Layers.activation(t, SIGMOID, Layers.copy(t, both, v -> v.slice(1, f, 2 * f)), null);
      // x + g (f - x)
      Tensor change = Layers.add(t, fresh, Layers.scaled(t, at, -1));
      at = Layers.add(t, at, Layers.multiply(t, gate, change));
    }
    return at;
  }
}
