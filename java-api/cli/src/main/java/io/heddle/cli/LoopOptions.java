package io.heddle.cli;

import io.heddle.tensor.DType;
import io.heddle.train.Recipe;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Options of every training loop. */
final class LoopOptions {
  @Mixin private RecipeOptions recipe = new RecipeOptions();

  @Option(
      names = "--accumulate",
      defaultValue = "1",
      description = "Batches per step (default: 1).")
  private int accumulate;

  @Option(
      names = "--clip",
      defaultValue = "1",
      description = "Bound on the gradient norm; 0: none.")
  private float clip;

  @Option(
      names = "--dtype",
      defaultValue = "f32",
      description = "f32, bf16 or f16, which needs --loss-scale (default: f32).")
  private String dtype = "f32";

  @Option(
      names = "--seed",
      defaultValue = "1",
      description = "Seed of everything random (default: 1).")
  private long seed;

  LoopOptions() {}

  Recipe recipe(int layers) {
    return recipe.recipe(layers);
  }

  int accumulate() {
    return accumulate;
  }

  float clip() {
    return clip;
  }

  DType dtype() {
    return Session.dtype(dtype);
  }

  long seed() {
    return seed;
  }
}
