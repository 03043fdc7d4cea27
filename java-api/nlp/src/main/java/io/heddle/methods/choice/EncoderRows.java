package io.heddle.methods.choice;

import io.heddle.models.Encoder;
import io.heddle.progress.ProgressListener;
import io.heddle.text.PairEncoder.Row;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.IntStream;

/** Rows for an encoder, in batches of about one length, padded behind. */
final class EncoderRows {
  private EncoderRows() {}

  /**
   * Some rows side by side.
   *
   * @param indices which
   */
  @SuppressWarnings("ArrayRecordComponent") // a carrier, never compared
  record Batch(int[] indices, Encoder.Batch rows) {
    /** Tokens of each row, padding among them. */
    int length() {
      return rows.ids()[0].length;
    }
  }

  /** Long rows first: what does not fit in memory fails at once. */
  static void each(List<Row> rows, int size, ProgressListener progress, Consumer<Batch> body) {
    if (size < 1) {
      throw new IllegalArgumentException(size + " rows make no batch");
    }
    int[] order =
        IntStream.range(0, rows.size())
            .boxed()
            .sorted(Comparator.comparingInt(i -> -rows.get(i).length()))
            .mapToInt(i -> i)
            .toArray();
    progress.begin("evaluate", order.length, "text");
    for (int from = 0; from < order.length; from += size) {
      int to = Math.min(order.length, from + size);
      int[] some = Arrays.copyOfRange(order, from, to);
      body.accept(new Batch(some, padded(rows, some)));
      progress.advance(to, "");
    }
    progress.end("");
  }

  private static Encoder.Batch padded(List<Row> rows, int[] indices) {
    int longest = rows.get(indices[0]).length();
    int[][] ids = new int[indices.length][];
    int[][] mask = new int[indices.length][longest];
    int[][] types = new int[indices.length][];
    for (int b = 0; b < indices.length; b++) {
      Row row = rows.get(indices[b]);
      // Whatever stands behind a row, the mask hides it.
      ids[b] = Arrays.copyOf(row.ids(), longest);
      types[b] = Arrays.copyOf(row.types(), longest);
      Arrays.fill(mask[b], 0, row.length(), 1);
    }
    return new Encoder.Batch(ids, mask, types, null);
  }
}
