package io.heddle.data;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Long texts cut for truncated back-propagation through time, as GluonNLP cuts them. */
public final class LanguageModelBatches {
  private LanguageModelBatches() {}

  /**
   * {@code rows} texts of one length side by side (GluonNLP's {@code CorpusBatchify}): the corpus
   * without the tail that does not divide, as [len / rows, rows] with text n in column n.
   */
  public static int[] columns(int[] corpus, int rows) {
    if (rows < 1) {
      throw new IllegalArgumentException(rows + " texts side by side");
    }
    int steps = corpus.length / rows;
    int[] out = new int[steps * rows];
    for (int n = 0; n < rows; n++) {
      for (int t = 0; t < steps; t++) {
        out[t * rows + n] = corpus[n * steps + t];
      }
    }
    return out;
  }

  /**
   * Pieces of {@code steps} tokens and their successors, in order, so that the state after one
   * piece is that before the next (GluonNLP's {@code CorpusBPTTBatchify}).
   *
   * @param padding fills the end up until all pieces are full ({@code keep}); null drops what does
   *     not fill a piece ({@code discard})
   */
  public static List<BpttBatch> pieces(
      int[] corpus, int rows, int steps, @Nullable Integer padding) {
    if (steps < 1) {
      throw new IllegalArgumentException("pieces of " + steps + " tokens");
    }
    int[] all = corpus;
    if (padding != null && corpus.length > 0) {
      int length = Math.ceilDiv(corpus.length, rows);
      // Pieces overlap by one token: each adds `steps` to the one before it.
      int full = Math.max(1, Math.ceilDiv(length - 1, steps)) * steps + 1;
      all = Arrays.copyOf(corpus, Math.multiplyExact(full, rows));
      Arrays.fill(all, corpus.length, all.length, padding);
    }
    int[] table = columns(all, rows);
    int length = table.length / rows;
    List<BpttBatch> out = new ArrayList<>();
    for (int from = 0; from + steps < length; from += steps) {
      out.add(
          new BpttBatch(
              steps,
              rows,
              Arrays.copyOfRange(table, from * rows, (from + steps) * rows),
              Arrays.copyOfRange(table, (from + 1) * rows, (from + steps + 1) * rows)));
    }
    return out;
  }

  /**
   * Pieces of a stream of sentences (GluonNLP's {@code StreamBPTTBatchify}): each row goes on
   * reading sentences one after the other and is padded only when the stream has ended.
   *
   * @param sentences token ids
   * @param keep whether a last piece without any token left to predict is given out too, as
   *     GluonNLP does by default
   */
  public static DataStream<BpttBatch> pieces(
      DataStream<int[]> sentences, int rows, int steps, int padding, boolean keep) {
    if (rows < 1 || steps < 1) {
      throw new IllegalArgumentException(rows + " texts in pieces of " + steps + " tokens");
    }
    return () -> new Rows(sentences.open(), rows, steps, padding, keep);
  }

  private static final class Rows extends DerivedCursor<int[], BpttBatch> {
    private final int[][] held;
    private final int steps;
    private final int padding;
    private final boolean keep;
    private boolean more = true;
    private boolean buffered;

    Rows(Cursor<int[]> sentences, int rows, int steps, int padding, boolean keep) {
      super(sentences);
      this.held = new int[rows][0];
      this.steps = steps;
      this.padding = padding;
      this.keep = keep;
    }

    @Override
    public @Nullable BpttBatch next() throws IOException {
      while (more || buffered) {
        int[] data = new int[steps * held.length];
        int[] target = new int[data.length];
        Arrays.fill(data, padding);
        Arrays.fill(target, padding);
        buffered = false;
        for (int n = 0; n < held.length; n++) {
          fill(n, data, target);
        }
        if (buffered || keep) {
          return new BpttBatch(steps, held.length, data, target);
        }
      }
      return null;
    }

    private void fill(int n, int[] data, int[] target) throws IOException {
      int t = 0;
      while (t < steps) {
        if (held[n].length <= 1) {
          int[] sentence = more ? source.next() : null;
          if (sentence == null) {
            more = false;
            return;
          }
          int[] joined = Arrays.copyOf(held[n], held[n].length + sentence.length);
          System.arraycopy(sentence, 0, joined, held[n].length, sentence.length);
          held[n] = joined;
        }
        int count = Math.clamp(held[n].length - 1L, 0, steps - t);
        for (int i = 0; i < count; i++, t++) {
          data[t * held.length + n] = held[n][i];
          target[t * held.length + n] = held[n][i + 1];
        }
        held[n] = Arrays.copyOfRange(held[n], count, held[n].length);
        buffered |= held[n].length > 0;
      }
    }
  }
}
