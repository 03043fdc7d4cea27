package io.heddle.methods.pretrain;

import io.heddle.autograd.Tape;
import io.heddle.data.SpanCorruption;
import io.heddle.models.Translator;
import io.heddle.op.Losses;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import io.heddle.train.Objective;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** The loss of writing what sentinels stand for. */
public final class SpanDenoising {
  private SpanDenoising() {}

  /**
   * Sources and targets.
   *
   * @param source tokens, padded behind to one length
   * @param mask 0 for that padding
   * @param before what the decoder reads: the start token, then all but the last of the target
   * @param targets [B*T], {@link Losses#IGNORE} for padding
   */
  @SuppressWarnings("ArrayRecordComponent") // a carrier to the tape, never compared
  public record Batch(int[][] source, int[][] mask, int[][] before, int[] targets) {
    /**
     * Hides spans of rows of any lengths.
     *
     * @param start the decoder's first token
     * @param first number of the first row, counted over all epochs
     */
    public static Batch of(SpanCorruption rule, int[][] rows, int start, long first) {
      List<SpanCorruption.Pair> pairs = new ArrayList<>();
      for (int r = 0; r < rows.length; r++) {
        pairs.add(rule.corrupt(rows[r], first + r));
      }
      int longest = pairs.stream().mapToInt(p -> p.input().length).max().orElseThrow();
      int written = pairs.stream().mapToInt(p -> p.target().length).max().orElseThrow();
      int[][] source = new int[rows.length][];
      int[][] mask = new int[rows.length][longest];
      int[][] before = new int[rows.length][written];
      int[] targets = new int[rows.length * written];
      Arrays.fill(targets, Losses.IGNORE);
      for (int r = 0; r < rows.length; r++) {
        int[] input = pairs.get(r).input();
        int[] target = pairs.get(r).target();
        source[r] = Arrays.copyOf(input, longest);
        Arrays.fill(mask[r], 0, input.length, 1);
        before[r][0] = start;
        System.arraycopy(target, 0, before[r], 1, Math.min(target.length, written - 1));
        System.arraycopy(target, 0, targets, r * written, target.length);
      }
      return new Batch(source, mask, before, targets);
    }
  }

  /** Mean cross-entropy of the target's tokens, in nats. */
  public static Objective<Batch> objective(Translator model) {
    return (t, batch, gradScale) -> run(t, model, batch, gradScale);
  }

  private static Objective.Loss run(Tape t, Translator model, Batch batch, float gradScale) {
    long count = Losses.scored(batch.targets);
    Tensor hidden = model.hidden(t, batch.source, batch.mask, batch.before);
    Tensor targets = t.tensor(DType.I32, batch.targets.length).copyFrom(batch.targets);
    Tensor losses = model.losses(t, hidden, targets, gradScale / Math.max(1, count));
    return new Objective.Loss(Losses.sum(losses), count);
  }
}
