package io.heddle.methods.lm;

import io.heddle.data.LengthCurriculum;
import io.heddle.models.ModelConfig;
import io.heddle.tensor.DType;
import io.heddle.train.TrainConfig;

/**
 * A language-modelling run.
 *
 * @param model the model's shape; its vocabulary is the tokenizer's
 * @param dtype element type of weights and activations
 * @param train the loop
 * @param length tokens of a row, in evaluation and, where the curriculum says nothing else, in
 *     training
 * @param rows rows of a batch of that length; batches of other lengths have as many tokens
 * @param holdOut share of each document's last lines that is kept for evaluation
 * @param stride tokens scored in each evaluation window; the rest of the window is context
 * @param curriculum tokens of a row by step; its lengths divide {@code length * rows}
 */
public record LmConfig(
    ModelConfig model,
    DType dtype,
    TrainConfig train,
    int length,
    int rows,
    double holdOut,
    int stride,
    LengthCurriculum curriculum) {
  /** The same with rows of one length throughout. */
  public LmConfig(
      ModelConfig model,
      DType dtype,
      TrainConfig train,
      int length,
      int rows,
      double holdOut,
      int stride) {
    this(model, dtype, train, length, rows, holdOut, stride, LengthCurriculum.constant(length));
  }

  /** Checks the lengths. */
  public LmConfig {
    if (length < 1 || rows < 1 || length > model.context()) {
      throw new IllegalArgumentException(
          "rows of " + length + " tokens do not fit a model with a context of " + model.context());
    }
    if (curriculum.longest() > model.context()) {
      throw new IllegalArgumentException(
          "the curriculum "
              + curriculum
              + " has rows that do not fit a model with a context of "
              + model.context());
    }
  }
}
