package io.heddle.models;

import io.heddle.autograd.Tape;
import io.heddle.models.ModelConfig.HeadConfig;
import io.heddle.nn.Modules;
import io.heddle.nn.Parameters;
import io.heddle.op.Layers;
import io.heddle.op.Losses;
import io.heddle.tensor.Tensor;

/** A head over last hidden states: {@code out(norm(f(dense(x))))}. */
public final class Head {
  private final HeadConfig config;
  private final Parameters parameters;

  Head(HeadConfig config, Parameters parameters) {
    this.config = config;
    this.parameters = parameters;
  }

  static void create(HeadConfig c, Parameters p, int hidden, long seed) {
    int size = c.dense() > 0 ? c.dense() : hidden;
    if (c.dense() > 0) {
      // Heads are small, and what they say is what a model is asked for: never in eight bits.
      p.normal(c.name() + ".dense.weight", Modules.DEVIATION, seed, c.dense(), hidden);
      if (!c.slim()) {
        p.constant(c.name() + ".dense.bias", 0, c.dense());
      }
    }
    if (c.norm()) {
      Modules.norm(p, c.name() + ".norm", !c.slim(), 0, size);
    }
    if (!c.tied()) {
      p.normal(c.name() + ".weight", Modules.DEVIATION, seed, c.outputs(), size);
    }
    if (c.bias()) {
      p.constant(c.name() + ".bias", 0, c.outputs());
    }
  }

  /** Its shape. */
  public HeadConfig config() {
    return config;
  }

  /** The output product's weight [outputs, d]. */
  private Tensor weight() {
    return parameters.get(config.tied() ? "embed.weight" : config.name() + ".weight");
  }

  private Tensor inner(Tape t, Tensor hidden) {
    Tensor x = hidden;
    if (config.dense() > 0) {
      String name = config.name() + ".dense";
      Tensor dense = Layers.linear(t, x, parameters.get(name + ".weight"), null);
      x = Layers.activation(t, config.activation(), dense, parameters.byName().get(name + ".bias"));
    }
    if (config.norm()) {
      x = Modules.layerNorm(t, parameters, config.name() + ".norm", config.normEps(), x);
    }
    return config.scale() == 1 ? x : Layers.scaled(t, x, config.scale());
  }

  /**
   * The outputs.
   *
   * @param hidden [N, d]: of all tokens, or of the first of each row for a pooled head
   * @return [N, outputs], differentiable
   */
  public Tensor outputs(Tape t, Tensor hidden) {
    Tensor bias = parameters.byName().get(config.name() + ".bias");
    Tensor y = Layers.linear(t, inner(t, hidden), weight(), bias);
    if (config.cap() == 0) {
      return y;
    }
    Tensor bent = Layers.activation(t, 5, Layers.scaled(t, y, 1 / config.cap()), null);
    return Layers.scaled(t, bent, config.cap());
  }

  /**
   * The cross-entropy of every token, f32 [N] in nats; never holds all logits of a plain head.
   *
   * @param targets i32 [N]; see {@link Losses#linearCrossEntropy}
   */
  public Tensor losses(Tape t, Tensor hidden, Tensor targets, float gradScale) {
    return losses(t, hidden, targets, 0, gradScale);
  }

  /** The same with label smoothing. */
  public Tensor losses(Tape t, Tensor hidden, Tensor targets, float smoothing, float gradScale) {
    boolean plain = config.cap() == 0 && !config.bias();
    return plain
        ? Losses.linearCrossEntropy(t, inner(t, hidden), weight(), targets, smoothing, gradScale)
        : Losses.crossEntropy(t, outputs(t, hidden), targets, smoothing, gradScale);
  }
}
