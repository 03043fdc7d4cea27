package io.heddle.methods.finetune;

import io.heddle.data.BucketScheme;
import io.heddle.data.FixedBucketSampler;
import io.heddle.data.ParallelText;
import io.heddle.models.Translators.Marks;
import io.heddle.op.Losses;
import io.heddle.text.Tokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Texts and translations as token ids.
 *
 * @param texts as they were read
 * @param sources ids of each source, an end at the end
 * @param targets ids of each target, without marks
 * @param marks that frame them
 */
@SuppressWarnings("ArrayRecordComponent") // rows of ids; never compared
public record TranslateData(
    List<ParallelText> texts, int[][] sources, int[][] targets, Marks marks) {
  private static final int BUCKETS = 20;

  /**
   * Encodes texts. What is longer than {@code longest} on a side, marks included, is cut there.
   *
   * @param skipEmpty leaves out pairs of which a side has no tokens: nothing is learnt from them
   */
  public static TranslateData of(
      List<ParallelText> texts, Tokenizer tokenizer, Marks marks, int longest, boolean skipEmpty) {
    List<ParallelText> kept = new ArrayList<>();
    List<int[]> sources = new ArrayList<>();
    List<int[]> targets = new ArrayList<>();
    for (ParallelText text : texts) {
      int[] source = tokenizer.encode(text.source());
      int[] target = tokenizer.encode(text.target());
      if (!skipEmpty || (source.length > 0 && target.length > 0)) {
        kept.add(text);
        sources.add(ended(source, marks.end(), longest));
        targets.add(Arrays.copyOf(target, Math.min(target.length, longest - 1)));
      }
    }
    return new TranslateData(
        kept, sources.toArray(int[][]::new), targets.toArray(int[][]::new), marks);
  }

  /** A source as the encoder reads it. */
  static int[] ended(int[] ids, int end, int longest) {
    int[] out = Arrays.copyOf(ids, Math.min(ids.length, longest - 1) + 1);
    out[out.length - 1] = end;
    return out;
  }

  /** Number of pairs. */
  public int size() {
    return sources.length;
  }

  /**
   * Batches of pairs of about one length on both sides.
   *
   * @param tokens about so many on each side of a batch; 0 for {@code rows} pairs instead
   */
  FixedBucketSampler sampler(int tokens, int rows, long seed) {
    int[][] lengths =
        IntStream.range(0, size())
            .mapToObj(i -> new int[] {sources[i].length, targets[i].length + 1})
            .toArray(int[][]::new);
    FixedBucketSampler.Options options =
        FixedBucketSampler.Options.of(tokens > 0 ? tokens : rows)
            .scheme(BUCKETS, BucketScheme.constant())
            .shuffled(seed);
    return new FixedBucketSampler(lengths, tokens > 0 ? options.inTokens() : options);
  }

  /** Some pairs, padded. */
  Translation.Batch batch(int[] indices) {
    int rows = indices.length;
    int sourceLength = Arrays.stream(indices).map(i -> sources[i].length).max().orElse(1);
    int targetLength = Arrays.stream(indices).map(i -> targets[i].length + 1).max().orElse(1);
    int[][] source = new int[rows][];
    int[][] mask = new int[rows][sourceLength];
    int[][] input = new int[rows][targetLength];
    int[] wanted = new int[rows * targetLength];
    Arrays.fill(wanted, Losses.IGNORE);
    boolean full = true;
    for (int b = 0; b < rows; b++) {
      int[] from = sources[indices[b]];
      int[] to = targets[indices[b]];
      source[b] = Arrays.copyOf(from, sourceLength);
      Arrays.fill(source[b], from.length, sourceLength, marks.padding());
      Arrays.fill(mask[b], 0, from.length, 1);
      full &= from.length == sourceLength;
      // Later tokens are never seen, so the padding of targets needs no mask.
      Arrays.fill(input[b], marks.padding());
      input[b][0] = marks.start();
      System.arraycopy(to, 0, input[b], 1, to.length);
      System.arraycopy(to, 0, wanted, b * targetLength, to.length);
      wanted[b * targetLength + to.length] = marks.end();
    }
    return new Translation.Batch(source, full ? null : mask, input, wanted);
  }
}
