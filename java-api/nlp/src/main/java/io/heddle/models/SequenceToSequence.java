package io.heddle.models;

import io.heddle.autograd.Tape;
import io.heddle.models.Translators.Marks;
import io.heddle.nn.Parameters;
import io.heddle.tensor.Tensor;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** A model that reads a source and writes a target: all that translation asks of one. */
public interface SequenceToSequence extends AutoCloseable {
  /** The weights. */
  Parameters parameters();

  /** What it is called in {@code config.json}. */
  String family();

  /** Most tokens of a side. */
  int context();

  /** The tokens that frame texts. */
  Marks marks();

  /**
   * The decoder's last hidden states for given sources and targets.
   *
   * @param source tokens of the sources, rows of one length
   * @param mask 0 for their padding, at the end of rows; null for none
   * @param target tokens before those to be predicted: the start token, then all but the last
   * @return [B*T, d]
   */
  Tensor hidden(Tape t, int[][] source, int @Nullable [][] mask, int[][] target);

  /**
   * The loss of every target token, f32 [N] in nats.
   *
   * @param hidden [N, d]
   * @param targets i32 [N]; {@link io.heddle.op.Losses#IGNORE} rows give 0
   * @param smoothing label smoothing
   * @param gradScale factor on gradients
   */
  Tensor losses(Tape t, Tensor hidden, Tensor targets, float smoothing, float gradScale);

  /**
   * The targets of these sources as texts to be continued: a prompt is what a target begins with.
   *
   * @param sources token ids of any lengths, one source for each prompt to come
   */
  NextTokenModel over(int[][] sources);

  /** Saves {@code config.json} and {@code model.safetensors}. */
  void save(Path folder);

  @Override
  void close();
}
