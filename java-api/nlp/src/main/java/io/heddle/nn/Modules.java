package io.heddle.nn;

import io.heddle.autograd.Tape;
import io.heddle.op.Layers;
import io.heddle.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** The small parts that models are made of: their parameters, and what they compute. */
public final class Modules {
  /** Deviation of fresh weights (GPT-2). */
  public static final double DEVIATION = 0.02;

  private Modules() {}

  /** Makes {@code name.weight} [out, in] and, if asked for, {@code name.bias} [out]. */
  public static void linear(
      Parameters p, String name, double deviation, long seed, boolean bias, long out, long in) {
    p.matrix(name + ".weight", deviation, seed, out, in);
    if (bias) {
      p.constant(name + ".bias", 0, out);
    }
  }

  /** {@code x w^T + b} with {@code name.weight} and, if there is one, {@code name.bias}. */
  public static Tensor linear(Tape t, Parameters p, String name, Tensor x) {
    return product(t, p, name, x, p.byName().get(name + ".bias"));
  }

  /**
   * {@code x w^T + bias}; where {@link Lora} has been attached, {@code + s (x a^T) b^T}.
   *
   * @param bias [out], or null
   */
  public static Tensor product(Tape t, Parameters p, String name, Tensor x, @Nullable Tensor bias) {
    Tensor w = p.get(name + ".weight");
    Tensor scale = p.scale(name + ".weight");
    Tensor y = scale == null ? Layers.linear(t, x, w, bias) : Int8.product(t, x, w, scale, bias);
    Tensor a = p.byName().get(name + Lora.DOWN);
    if (a == null) {
      return y;
    }
    Tensor low = Layers.scaled(t, Layers.linear(t, x, a, null), p.loraScale());
    return Layers.add(t, y, Layers.linear(t, low, p.get(name + Lora.UP), null));
  }

  /** Makes a norm that does nothing yet. */
  public static void norm(Parameters p, String name, boolean bias, float offset, long size) {
    p.constant(name + ".weight", 1 - offset, size);
    if (bias) {
      p.constant(name + ".bias", 0, size);
    }
  }

  /**
   * The norm {@code name} of {@code x + residual}; a norm that the model does not have passes the
   * sum through (then there must be no residual).
   */
  public static Layers.Normed norm(
      Tape t,
      Parameters p,
      String name,
      boolean rms,
      float eps,
      float offset,
      Tensor x,
      @Nullable Tensor residual) {
    Tensor weight = p.byName().get(name + ".weight");
    if (weight == null && residual == null) {
      return new Layers.Normed(x, x);
    }
    return Layers.norm(
        t,
        rms ? 1 : 0,
        x,
        residual,
        p.get(name + ".weight"),
        p.byName().get(name + ".bias"),
        eps,
        offset);
  }

  /**
   * ScaleNorm (Nguyen &amp; Salazar 2019), {@code g x / max(|x|, eps)} with one number g for all
   * features, of {@code x + residual}. It is the RMS norm with the weights {@code g / sqrt(F)}, so
   * that the bound is a smooth one: {@code sqrt(|x|^2 + F eps^2)}, the same but for vectors that
   * are no longer than eps.
   */
  public static Layers.Normed scaleNorm(
      Tape t, Parameters p, String name, float eps, Tensor x, @Nullable Tensor residual) {
    long features = x.dim(1);
    float share = (float) (1 / Math.sqrt((double) features));
    Tensor weight = Layers.spread(t, p.get(name + ".weight"), share, features);
    return Layers.norm(t, 1, x, residual, weight, null, eps * eps);
  }

  /** A layer norm with the usual weight and bias. */
  public static Tensor layerNorm(Tape t, Parameters p, String name, float eps, Tensor x) {
    return norm(t, p, name, false, eps, 0, x, null).y();
  }
}
