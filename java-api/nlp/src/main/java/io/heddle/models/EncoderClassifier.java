package io.heddle.models;

import io.heddle.autograd.Tape;
import io.heddle.nn.Parameters;
import io.heddle.tensor.Tensor;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/** A Hugging Face encoder with its head over whole rows. */
public final class EncoderClassifier implements Classifier {
  private static final String HEAD = "pooled";

  private final Encoder encoder;
  private final List<String> labels;

  EncoderClassifier(Encoder encoder, List<String> labels) {
    this.encoder = encoder;
    this.labels = List.copyOf(labels);
    if (!encoder.heads().containsKey(HEAD)) {
      throw new IllegalArgumentException(
          "this " + encoder.config().family() + " model has no head for whole texts");
    }
  }

  /** The encoder. */
  public Encoder encoder() {
    return encoder;
  }

  @Override
  public List<String> labels() {
    return labels;
  }

  @Override
  public Parameters parameters() {
    return encoder.parameters();
  }

  @Override
  public int context() {
    return encoder.config().context();
  }

  @Override
  public String describe() {
    ModelConfig c = encoder.config();
    return "%s encoder, %d layers of %d features".formatted(c.family(), c.layers(), c.hidden());
  }

  @Override
  public Tensor logits(Tape t, Encoder.Batch batch) {
    boolean segments = encoder.config().embedding().types() > 1;
    Encoder.Batch given =
        segments ? batch : new Encoder.Batch(batch.ids(), batch.mask(), null, batch.globals());
    return encoder.outputs(t, HEAD, encoder.hidden(t, given), batch.ids().length);
  }

  @Override
  public void save(Path folder) {
    ModelFolder.save(encoder, folder, Map.of());
  }

  @Override
  public void close() {
    encoder.close();
  }
}
