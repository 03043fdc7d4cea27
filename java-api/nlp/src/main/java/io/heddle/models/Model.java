package io.heddle.models;

import io.heddle.backend.Backend;
import io.heddle.nn.Parameters;

/** A model: a shape, and weights on a backend. */
public sealed interface Model extends AutoCloseable permits Decoder, Encoder, Translator {
  /** The shape. */
  ModelConfig config();

  /** The weights. */
  Parameters parameters();

  /** Where it runs. */
  default Backend backend() {
    return parameters().backend();
  }

  @Override
  void close();
}
