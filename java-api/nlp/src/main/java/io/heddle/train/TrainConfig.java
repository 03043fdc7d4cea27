package io.heddle.train;

/**
 * How long, how fast and how often.
 *
 * @param steps optimiser steps
 * @param accumulation batches per step
 * @param learningRate peak learning rate
 * @param warmup steps of linear warm-up
 * @param decay what follows the warm-up
 * @param finalRate learning rate at the last step, as a share of the peak
 * @param beta1 decay of the first moment
 * @param beta2 decay of the second moment
 * @param eps added to the root of the second moment
 * @param weightDecay decoupled decay of matrices
 * @param decayAll whether norms and biases decay too
 * @param clip bound on the global gradient norm; 0 for none
 * @param seed of everything random
 * @param evaluateEvery steps between evaluations; 0 for at the end only
 * @param checkpointEvery steps between checkpoints; 0 for at the end only
 * @param patience evaluations without improvement before stopping; 0 for never
 */
public record TrainConfig(
    long steps,
    int accumulation,
    float learningRate,
    long warmup,
    Decay decay,
    float finalRate,
    float beta1,
    float beta2,
    float eps,
    float weightDecay,
    boolean decayAll,
    float clip,
    long seed,
    long evaluateEvery,
    long checkpointEvery,
    int patience) {

  /** The learning rate after the warm-up. */
  public enum Decay {
    /** Stays. */
    CONSTANT,
    /** Falls on a straight line. */
    LINEAR,
    /** Falls on half a cosine (Loshchilov &amp; Hutter 2017). */
    COSINE
  }

  /** Checks the values. */
  public TrainConfig {
    if (steps < 0
        || accumulation < 1
        || warmup < 0
        || evaluateEvery < 0
        || checkpointEvery < 0
        || patience < 0) {
      throw new IllegalArgumentException(
          "counts of a training configuration must not be negative, and accumulation at least 1");
    }
    if (!(learningRate > 0) || finalRate < 0 || finalRate > 1) {
      throw new IllegalArgumentException(
          "learning rate "
              + learningRate
              + " must be positive and its final share "
              + finalRate
              + " in [0, 1]");
    }
  }

  /** Common values: AdamW (0.9, 0.95), decay 0.1, clip 1, 5 % warm-up, cosine to 10 %. */
  public static TrainConfig of(long steps, float learningRate, long seed) {
    return new TrainConfig(
        steps,
        1,
        learningRate,
        steps / 20,
        Decay.COSINE,
        0.1f,
        0.9f,
        0.95f,
        1e-8f,
        0.1f,
        false,
        1,
        seed,
        0,
        0,
        0);
  }

  /** The learning rate of step {@code step}, counted from 0. */
  public float rate(long step) {
    if (step < warmup) {
      return learningRate * (step + 1) / warmup;
    }
    double done = steps <= warmup + 1 ? 1 : (double) (step - warmup) / (steps - 1 - warmup);
    double share =
        switch (decay) {
          case CONSTANT -> 1;
          case LINEAR -> 1 - done * (1 - finalRate);
          case COSINE ->
              finalRate + (1 - finalRate) * 0.5 * (1 + Math.cos(Math.PI * Math.min(done, 1)));
        };
    return (float) (learningRate * share);
  }

  /** The same with other intervals. */
  public TrainConfig every(long evaluate, long checkpoint) {
    return new TrainConfig(
        steps,
        accumulation,
        learningRate,
        warmup,
        decay,
        finalRate,
        beta1,
        beta2,
        eps,
        weightDecay,
        decayAll,
        clip,
        seed,
        evaluate,
        checkpoint,
        patience);
  }
}
