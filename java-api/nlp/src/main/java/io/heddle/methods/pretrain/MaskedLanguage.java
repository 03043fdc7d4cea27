package io.heddle.methods.pretrain;

import io.heddle.autograd.Tape;
import io.heddle.data.MaskedTokens;
import io.heddle.models.Encoder;
import io.heddle.models.Head;
import io.heddle.op.Losses;
import io.heddle.op.Ragged;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import io.heddle.train.Objective;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/** The loss of hidden tokens. */
public final class MaskedLanguage {
  static final String HEAD = "head";

  private MaskedLanguage() {}

  /**
   * Rows with hidden tokens.
   *
   * @param rows what the model reads
   * @param targets [B*T], hidden tokens, {@link Losses#IGNORE} elsewhere
   */
  @SuppressWarnings("ArrayRecordComponent") // a carrier to the tape, never compared
  public record Batch(Encoder.Batch rows, int[] targets) {
    /**
     * Hides tokens of rows of one length.
     *
     * @param mask 0 for padding; null for none
     * @param first number of the first row, counted over all epochs
     */
    public static Batch of(MaskedTokens rule, int[][] ids, int @Nullable [][] mask, long first) {
      int length = ids[0].length;
      int[][] read = new int[ids.length][];
      int[] targets = new int[ids.length * length];
      for (int r = 0; r < ids.length; r++) {
        MaskedTokens.Masked masked = rule.mask(ids[r], first + r);
        read[r] = masked.ids();
        System.arraycopy(masked.targets(), 0, targets, r * length, length);
      }
      return new Batch(new Encoder.Batch(read, mask), targets);
    }
  }

  /** Mean cross-entropy of the hidden tokens, in nats. */
  public static Objective<Batch> objective(Encoder model) {
    return (t, batch, gradScale) -> run(t, model, batch, gradScale);
  }

  static Objective.Loss run(Tape t, Encoder model, Batch batch, float gradScale) {
    Head head = head(model, HEAD);
    int[] places = ReplacedTokens.places(batch.targets);
    if (places.length == 0) {
      return new Objective.Loss(0, 0);
    }
    int[] wanted = Arrays.stream(places).map(at -> batch.targets[at]).toArray();
    Tensor at = t.tensor(DType.I32, places.length).copyFrom(places);
    Tensor targets = t.tensor(DType.I32, wanted.length).copyFrom(wanted);
    // The vocabulary is reached from the hidden places alone: six of seven would be for nothing.
    Tensor hidden = Ragged.picked(t, model.hidden(t, batch.rows), at);
    Tensor losses = head.losses(t, hidden, targets, gradScale / places.length);
    return new Objective.Loss(Losses.sum(losses), places.length);
  }

  static Head head(Encoder model, String name) {
    Head head = model.heads().get(name);
    if (head == null) {
      throw new IllegalArgumentException(
          "this "
              + model.config().family()
              + " model has no head '"
              + name
              + "'; it has "
              + model.heads().keySet());
    }
    return head;
  }
}
