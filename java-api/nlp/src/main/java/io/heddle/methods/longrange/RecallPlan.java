package io.heddle.methods.longrange;

import io.heddle.models.Decoder;
import io.heddle.models.ModelConfig;
import io.heddle.tensor.Tensor;
import io.heddle.train.TrainConfig;

/**
 * Sizes of the recall experiment.
 *
 * @param title what it is
 * @param layers blocks, L
 * @param dim features of a token
 * @param heads attention heads
 * @param inner features inside an MLP
 * @param length tokens of a row, n
 * @param block size of blocks and windows, b
 * @param rows rows of a batch
 * @param steps of a model from scratch
 * @param rate its peak learning rate
 * @param warmup its steps of linear warm-up
 * @param trainRows different rows that are trained on
 * @param testRows rows that are scored
 * @param convertSteps steps after a conversion
 * @param convertRate their peak learning rate
 * @param clock tokens at which attention is timed, on a GPU also twice and four times as many; 0
 *     not to
 */
public record RecallPlan(
    String title,
    int layers,
    int dim,
    int heads,
    int inner,
    int length,
    int block,
    int rows,
    long steps,
    float rate,
    long warmup,
    int trainRows,
    int testRows,
    long convertSteps,
    float convertRate,
    int clock) {
  /** The published sizes: about 20 s a model on one CPU core. */
  public static final RecallPlan FULL =
      new RecallPlan(
          "recall over 128 tokens",
          4,
          48,
          2,
          96,
          128,
          16,
          16,
          500,
          3e-3f,
          50,
          6000,
          512,
          200,
          1e-3f,
          4096);

  /** A tenth of the steps and an eighth of the rows scored: to see that it runs. */
  public RecallPlan quick() {
    return sized(title + " (quick: a tenth of the steps)", Math.max(1, steps / 10))
        .scored(Math.max(1, testRows / 8));
  }

  /** The same for other numbers of steps, those after a conversion in proportion. */
  public RecallPlan sized(String name, long wanted) {
    return new RecallPlan(
        name,
        layers,
        dim,
        heads,
        inner,
        length,
        block,
        rows,
        wanted,
        rate,
        Math.min(warmup, Math.max(1, wanted / 4)),
        trainRows,
        testRows,
        Math.max(1, convertSteps * wanted / steps),
        convertRate,
        wanted == steps ? clock : Math.min(clock, 512));
  }

  private RecallPlan scored(int wanted) {
    return new RecallPlan(
        title,
        layers,
        dim,
        heads,
        inner,
        length,
        block,
        rows,
        steps,
        rate,
        warmup,
        trainRows,
        wanted,
        convertSteps,
        convertRate,
        clock);
  }

  /** The decoder: GPT-2's blocks with learned positions and an output layer of its own. */
  ModelConfig shape(String schedule, int context) {
    return ModelConfig.gpt2(RecallData.VOCABULARY, dim, layers, heads, inner, context, schedule)
        .untied();
  }

  /**
   * The first weights: tokens of deviation 1, matrices of 1 / sqrt(inputs), positions as GPT-2's.
   * With GPT-2's deviation of 0.02 everywhere a model of this width learns to look up more slowly:
   * after 300 steps full attention recalled 20 %, while two full layers, so drawn, recalled 96 %.
   */
  static void first(Decoder model) {
    for (Tensor weight : model.parameters().values()) {
      String name = String.valueOf(weight.name());
      if (weight.rank() < 2 || name.startsWith("positions")) {
        continue;
      }
      double wanted = name.startsWith("embed") ? 1 : 1 / Math.sqrt((double) weight.dim(1));
      float[] values = weight.toFloats();
      double squares = 0;
      for (float value : values) {
        squares += (double) value * value;
      }
      double factor = wanted / Math.sqrt(squares / values.length);
      for (int i = 0; i < values.length; i++) {
        values[i] = (float) (values[i] * factor);
      }
      weight.copyFrom(values);
    }
  }

  TrainConfig loop(boolean converted, long seed) {
    long count = converted ? convertSteps : steps;
    return new TrainConfig(
        count,
        1,
        converted ? convertRate : rate,
        converted ? Math.min(warmup, Math.max(1, count / 10)) : warmup,
        TrainConfig.Decay.LINEAR,
        0.1f,
        0.9f,
        0.999f,
        1e-8f,
        0.01f,
        false,
        1,
        seed,
        0,
        Math.max(1, count / 4),
        0);
  }
}
