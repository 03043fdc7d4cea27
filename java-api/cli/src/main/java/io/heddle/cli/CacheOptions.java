package io.heddle.cli;

import io.heddle.methods.lm.NeuralCache;
import picocli.CommandLine.Option;

/** Options of the cache that predicts beside a language model. */
final class CacheOptions {
  @Option(
      names = "--cache-window",
      defaultValue = "2000",
      description = "Steps that the cache remembers (default: 2000).")
  private int window;

  @Option(
      names = "--cache-theta",
      defaultValue = "0.662",
      description = "Sharpness of the cache's distribution (default: 0.662).")
  private double theta;

  @Option(
      names = "--cache-lambda",
      defaultValue = "0.1279",
      description = "Share of the cache (default: 0.1279).")
  private double lambda;

  CacheOptions() {}

  NeuralCache.Options options() {
    return new NeuralCache.Options(window, theta, lambda, false);
  }
}
