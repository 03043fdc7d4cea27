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
 * @param weightDecay decay of matrices; decoupled but in gradient descent
 * @param decayAll whether norms and biases decay too
 * @param clip bound on the global gradient norm; 0 for none
 * @param seed of everything random
 * @param evaluateEvery steps between evaluations; 0 for at the end only
 * @param checkpointEvery steps between checkpoints; 0 for at the end only
 * @param patience evaluations without improvement before stopping; 0 for never
 * @param recipe the optimiser, averaging and groups of parameters
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
    int patience,
    Recipe recipe) {

  /** The learning rate after the warm-up. */
  public enum Decay {
    /** Stays. */
    CONSTANT,
    /** Falls on a straight line. */
    LINEAR,
    /** Falls on half a cosine (Loshchilov &amp; Hutter 2017). */
    COSINE,
    /** Four half cosines, each from the peak (the same, with restarts). */
    RESTARTS,
    /** Falls with the root of the step (Vaswani et al. 2017); ends where it ends. */
    INVERSE_ROOT,
    /** {@code 1 - step / steps} of the peak, with a small jump after the warm-up (BERT). */
    BERT,
    /** Stays for two thirds, then halves at every twelfth (GNMT's 12 epochs). */
    HALVES,
    /** Stays until the last fifth, then falls on a straight line. */
    STABLE
  }

  private static final int CYCLES = 4;

  /** The same with AdamW for all parameters. */
  public TrainConfig(
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
    this(
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
        evaluateEvery,
        checkpointEvery,
        patience,
        Recipe.ADAMW);
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
          case COSINE -> cosine(Math.min(done, 1));
          case RESTARTS -> done >= 1 ? finalRate : cosine(done * CYCLES % 1);
          case INVERSE_ROOT -> Math.sqrt((double) Math.max(warmup, 1) / Math.max(step + 1, warmup));
          case BERT -> Math.max(0, 1 - (double) step / steps);
          case HALVES -> Math.pow(0.5, Math.max(0, Math.floor(12.0 * (step + 1) / steps) - 7));
          case STABLE -> 1 - Math.max(0, 5 * done - 4) * (1 - finalRate);
        };
    return (float) (learningRate * share);
  }

  private double cosine(double done) {
    return finalRate + (1 - finalRate) * 0.5 * (1 + Math.cos(Math.PI * done));
  }

  /** The same with other intervals. */
  public TrainConfig every(long evaluate, long checkpoint) {
    return copy(warmup, evaluate, checkpoint, recipe);
  }

  /** The same with a warm-up of so many steps. */
  public TrainConfig warmup(long count) {
    return copy(count, evaluateEvery, checkpointEvery, recipe);
  }

  /** The same with other decays of Adam's moments and another eps. */
  public TrainConfig adam(float first, float second, float epsilon) {
    return new TrainConfig(
        steps,
        accumulation,
        learningRate,
        warmup,
        decay,
        finalRate,
        first,
        second,
        epsilon,
        weightDecay,
        decayAll,
        clip,
        seed,
        evaluateEvery,
        checkpointEvery,
        patience,
        recipe);
  }

  /** The same with another recipe. */
  public TrainConfig with(Recipe other) {
    return copy(warmup, evaluateEvery, checkpointEvery, other);
  }

  private TrainConfig copy(long rising, long evaluate, long checkpoint, Recipe other) {
    return new TrainConfig(
        steps,
        accumulation,
        learningRate,
        rising,
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
        patience,
        other);
  }
}
