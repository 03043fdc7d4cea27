package io.heddle.data;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Tokens of all documents end to end, cut to rows. An epoch is every row of T tokens from a random
 * phase on, in a random order; both are drawn from (seed, epoch), so the batch of a number is a
 * pure function of it: a resumed run needs to remember nothing else. Rows go on from epoch to
 * epoch, so every batch is full.
 */
public final class PackedTokens {
  private final TokenStream stream;
  private final boolean ownDocument;
  private final int length;
  private final int rows;
  private final long seed;

  private long[] firstRows = {0}; // by epoch: number of rows before it
  private int epochs; // for which firstRows is known, beyond the first
  private long epoch = -1;
  private int[] order = new int[0]; // of the rows in that epoch

  /**
   * Packs; tokens see across the borders of documents.
   *
   * @param tokens all tokens, at least {@code length + 1}
   * @param length tokens of a row, T
   * @param rows rows of a batch, B
   */
  public PackedTokens(int[] tokens, int length, int rows, long seed) {
    this(TokenStream.of(List.of(tokens), 0), length, rows, seed, false);
  }

  /**
   * Packs.
   *
   * @param stream at least {@code length + 1} tokens
   * @param length tokens of a row, T
   * @param rows rows of a batch, B
   * @param ownDocument whether batches carry the documents of their tokens, so that a token sees
   *     its own document only
   */
  public PackedTokens(TokenStream stream, int length, int rows, long seed, boolean ownDocument) {
    if (length < 1 || rows < 1) {
      throw new IllegalArgumentException(rows + " rows of " + length + " tokens make no batch");
    }
    if (stream.size() < length + 1) {
      throw new IllegalArgumentException(
          "the text has "
              + stream.size()
              + " tokens; rows of "
              + length
              + " need at least "
              + (length + 1));
    }
    this.stream = stream;
    this.length = length;
    this.rows = rows;
    this.seed = seed;
    this.ownDocument = ownDocument;
  }

  /** Number of batches in which every token is seen about once. */
  public double batchesPerEpoch() {
    return (double) stream.size() / length / rows;
  }

  /** The batch with this number, from 0 on. */
  public synchronized TokenBatch batch(long number) {
    if (number < 0) {
      throw new IllegalArgumentException("batch " + number + " does not exist");
    }
    int[] ids = new int[rows * length];
    int[] targets = new int[rows * length];
    @Nullable List<int[]> documents = ownDocument ? new ArrayList<>() : null;
    for (int r = 0; r < rows; r++) {
      int from = place(number * rows + r);
      System.arraycopy(stream.ids(), from, ids, r * length, length);
      System.arraycopy(stream.ids(), from + 1, targets, r * length, length);
      if (documents != null) {
        documents.add(stream.documents(from, length));
      }
    }
    return new TokenBatch(rows, ids, targets, documents);
  }

  /** Where the row with this number, counted over all epochs, begins in the stream. */
  private int place(long row) {
    while (firstRows[epochs] + rowsOf(epochs) <= row) {
      if (epochs + 1 == firstRows.length) {
        firstRows = Arrays.copyOf(firstRows, 2 * firstRows.length);
      }
      firstRows[epochs + 1] = firstRows[epochs] + rowsOf(epochs);
      epochs++;
    }
    int found = Arrays.binarySearch(firstRows, 0, epochs + 1, row);
    int wanted = found >= 0 ? found : -found - 2;
    if (wanted != epoch) {
      order = random(wanted, 1).order(rowsOf(wanted));
      epoch = wanted;
    }
    return phase(wanted) + order[(int) (row - firstRows[wanted])] * length;
  }

  private int rowsOf(long epoch) {
    return (stream.size() - 1 - phase(epoch)) / length;
  }

  // Small enough that every epoch has a row.
  private int phase(long epoch) {
    return random(epoch, 0).below(Math.min(length, stream.size() - length));
  }

  private Mix random(long epoch, int purpose) {
    return new Mix(Mix.hash(Mix.hash(seed) + 2 * epoch + purpose));
  }
}
