package io.heddle.methods.pretrain;

import io.heddle.autograd.Tape;
import io.heddle.models.Encoder;
import io.heddle.op.Layers;
import io.heddle.op.Losses;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import io.heddle.train.Objective;
import java.util.Arrays;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/**
 * Replaced-token detection (ELECTRA, Clark et al. 2020): a generator fills hidden places by draws
 * from its distribution, a discriminator says of every token whether it is the text's own. A draw
 * that hits the text's token counts as its own. No gradient passes from the one to the other.
 */
public final class ReplacedTokens {
  static final String HEAD = "replaced";

  private ReplacedTokens() {}

  /**
   * Rows with replaced tokens.
   *
   * @param rows what the discriminator reads
   * @param targets [B*T], 1 where a token was replaced, 0 where not, {@link Losses#IGNORE} for
   *     padding
   */
  @SuppressWarnings("ArrayRecordComponent") // a carrier to the tape, never compared
  public record Batch(Encoder.Batch rows, int[] targets) {}

  /** Mean binary cross-entropy of all tokens but padding, in nats. */
  public static Objective<Batch> objective(Encoder discriminator) {
    return (t, batch, gradScale) -> {
      long count = Losses.scored(batch.targets);
      Tensor hidden = discriminator.hidden(t, batch.rows);
      Tensor outputs = MaskedLanguage.head(discriminator, HEAD).outputs(t, hidden); // [B*T, 1]
      Tensor targets = t.tensor(DType.I32, batch.targets.length).copyFrom(batch.targets);
      Tensor losses =
          Losses.binaryCrossEntropy(t, outputs, targets, gradScale / Math.max(1, count));
      return new Objective.Loss(Losses.sum(losses), count);
    };
  }

  /**
   * Fills the hidden places of a batch by draws from the generator; its own loss is that of {@link
   * MaskedLanguage}.
   *
   * @param masked what the generator reads, and the tokens that were hidden
   * @param number of the batch: with the seed it fixes the draws
   */
  public static Batch replaced(
      Encoder generator, MaskedLanguage.Batch masked, long seed, long number) {
    int[][] read = masked.rows().ids();
    int length = read[0].length;
    int[] targets = masked.targets();
    int[] places = places(targets);
    float[] logits = logits(generator, masked.rows(), places);
    int vocabulary = places.length == 0 ? 0 : logits.length / places.length;
    int[][] rows = new int[read.length][];
    int[] replaced = new int[targets.length];
    for (int r = 0; r < rows.length; r++) {
      rows[r] = read[r].clone();
      for (int i = 0; i < length; i++) {
        replaced[r * length + i] = seen(masked.rows().mask(), r, i) ? 0 : Losses.IGNORE;
      }
    }
    for (int i = 0; i < places.length; i++) {
      int at = places[i];
      // A generator of its own for each place: neither batch size nor order changes a draw.
      var random =
          new SplittableRandom(seed + 0x9E3779B97F4A7C15L * (number * targets.length + at + 1));
      int drawn = draw(logits, i * vocabulary, vocabulary, random.nextDouble());
      rows[at / length][at % length] = drawn;
      replaced[at] = drawn == targets[at] ? 0 : 1;
    }
    return new Batch(
        new Encoder.Batch(
            rows, masked.rows().mask(), masked.rows().types(), masked.rows().globals()),
        replaced);
  }

  private static boolean seen(int @Nullable [][] mask, int row, int column) {
    return mask == null || mask[row][column] != 0;
  }

  /** Where tokens are hidden. */
  static int[] places(int[] targets) {
    int[] out = new int[targets.length];
    int count = 0;
    for (int i = 0; i < targets.length; i++) {
      if (targets[i] != Losses.IGNORE) {
        out[count++] = i;
      }
    }
    return Arrays.copyOf(out, count);
  }

  // Of the hidden places alone: the vocabulary is large.
  private static float[] logits(Encoder generator, Encoder.Batch rows, int[] places) {
    if (places.length == 0) {
      return new float[0];
    }
    try (Tape t = Tape.inference(generator.backend())) {
      Tensor hidden = generator.hidden(t, rows);
      Tensor at = t.tensor(DType.I32, places.length).copyFrom(places);
      Tensor chosen = Layers.embedding(t, hidden, at);
      return MaskedLanguage.head(generator, MaskedLanguage.HEAD).outputs(t, chosen).toFloats();
    }
  }

  /** The token at {@code share} of the distribution of logits from {@code from} on. */
  static int draw(float[] logits, int from, int count, double share) {
    double most = Double.NEGATIVE_INFINITY;
    for (int v = 0; v < count; v++) {
      most = Math.max(most, logits[from + v]);
    }
    double sum = 0;
    for (int v = 0; v < count; v++) {
      sum += Math.exp(logits[from + v] - most);
    }
    double left = share * sum;
    for (int v = 0; v < count; v++) {
      left -= Math.exp(logits[from + v] - most);
      if (left < 0) {
        return v;
      }
    }
    return count - 1; // rounding alone comes here
  }
}
