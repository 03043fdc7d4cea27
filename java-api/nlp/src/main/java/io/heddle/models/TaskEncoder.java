package io.heddle.models;

import io.heddle.autograd.Tape;
import io.heddle.nn.Parameters;
import io.heddle.tensor.Tensor;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/** A Hugging Face encoder with the head of a task. */
public final class TaskEncoder implements Classifier {
  /** What a head is for. */
  public enum Task {
    /** A label for each row. */
    CLASSIFY("SequenceClassification", "pooled"),
    /** A label for each token. */
    TAG("TokenClassification", "tokens");

    final String ending;
    final String head;

    Task(String ending, String head) {
      this.ending = ending;
      this.head = head;
    }
  }

  private final Encoder encoder;
  private final Task task;
  private final List<String> labels;

  TaskEncoder(Encoder encoder, Task task, List<String> labels) {
    this.encoder = encoder;
    this.task = task;
    this.labels = List.copyOf(labels);
    if (!encoder.heads().containsKey(task.head)) {
      throw new IllegalArgumentException(
          "this " + encoder.config().family() + " model has no head for " + task.ending);
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
    return encoder.outputs(t, task.head, encoder.hidden(t, given), batch.ids().length);
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
