package io.heddle.models;

import io.heddle.autograd.Tape;
import io.heddle.backend.Backend;
import io.heddle.nn.Parameters;
import io.heddle.tensor.Tensor;
import java.nio.file.Path;
import java.util.List;

/** A model that gives each row of a batch, or each of its tokens, a score for every label. */
public interface Classifier extends AutoCloseable {
  /** The labels, in the order of the scores. */
  List<String> labels();

  /** The weights. */
  Parameters parameters();

  /** Where it runs. */
  default Backend backend() {
    return parameters().backend();
  }

  /** Most tokens of a row. */
  int context();

  /** What it is, in a few words, for reports. */
  String describe();

  /**
   * The scores of rows.
   *
   * @return [B, labels], of a tagger [B*T, labels]; differentiable
   */
  Tensor logits(Tape t, Encoder.Batch batch);

  /** Saves {@code config.json} and {@code model.safetensors}. */
  void save(Path folder);

  @Override
  void close();
}
