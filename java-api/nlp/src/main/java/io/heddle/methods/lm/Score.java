package io.heddle.methods.lm;

import io.heddle.metrics.Likelihood;

/**
 * How well a model predicts a text.
 *
 * @param nats sum of the losses of all scored tokens
 * @param tokens number of scored tokens
 * @param bytes bytes that those tokens stand for
 */
public record Score(double nats, long tokens, long bytes) {
  /** Mean loss in nats per token. */
  public double loss() {
    return likelihood().loss();
  }

  /** exp of the mean loss. */
  public double perplexity() {
    return likelihood().perplexity();
  }

  /** Bits needed for a byte of the text. */
  public double bitsPerByte() {
    return likelihood().bitsPerByte();
  }

  private Likelihood likelihood() {
    return new Likelihood(nats, tokens, bytes);
  }
}
