package io.heddle.metrics;

/**
 * How well a language model predicts a text.
 *
 * @param nats sum of the negative log probabilities of all scored tokens, natural logarithm
 * @param tokens number of scored tokens
 * @param bytes bytes of UTF-8 that those tokens stand for
 */
public record Likelihood(double nats, long tokens, long bytes) {
  /** Both texts together. */
  public Likelihood plus(Likelihood other) {
    return new Likelihood(nats + other.nats, tokens + other.tokens, bytes + other.bytes);
  }

  /** Mean loss in nats per token. */
  public double loss() {
    return nats / tokens;
  }

  /** exp of the mean loss: depends on the tokenizer. */
  public double perplexity() {
    return Math.exp(loss());
  }

  /** Bits needed for a byte of the text: comparable between tokenizers. */
  public double bitsPerByte() {
    return nats / Math.log(2) / bytes;
  }
}
