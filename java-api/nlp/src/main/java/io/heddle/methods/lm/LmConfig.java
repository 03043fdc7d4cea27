package io.heddle.methods.lm;

import io.heddle.models.ModelConfig;
import io.heddle.tensor.DType;
import io.heddle.train.TrainConfig;

/**
 * A language-modelling run.
 *
 * @param model the model's shape; its vocabulary is the tokenizer's
 * @param dtype element type of weights and activations
 * @param train the loop
 * @param length tokens of a row
 * @param rows rows of a batch
 * @param holdOut share of each document's last lines that is kept for evaluation
 * @param stride tokens scored in each evaluation window; the rest of the window is context
 */
public record LmConfig(
    ModelConfig model,
    DType dtype,
    TrainConfig train,
    int length,
    int rows,
    double holdOut,
    int stride) {
  /** Checks the lengths. */
  public LmConfig {
    if (length < 1 || rows < 1 || length > model.context()) {
      throw new IllegalArgumentException(
          "rows of " + length + " tokens do not fit a model with a context of " + model.context());
    }
  }
}
