package io.heddle.methods.pretrain;

import io.heddle.data.Document;
import io.heddle.data.PackedTokens;
import io.heddle.data.TokenStream;
import io.heddle.text.Tokenizer;
import java.util.Arrays;
import java.util.List;

/** Rows of text of one length, to be trained and to be measured on. */
public final class PretrainData {
  private final Tokenizer tokenizer;
  private final PackedTokens train;
  private final PackedTokens held;
  private final int length;
  private final int rows;
  private final long tokens;

  /**
   * Tokenises and packs documents.
   *
   * @param length tokens of a row
   * @param rows rows of a batch
   * @throws IllegalArgumentException when either part is shorter than a row
   */
  public PretrainData(
      Tokenizer tokenizer,
      List<Document> train,
      List<Document> held,
      int length,
      int rows,
      long seed) {
    this.tokenizer = tokenizer;
    this.length = length;
    this.rows = rows;
    TokenStream stream = TokenStream.of(tokenizer, train);
    this.tokens = stream.size();
    this.train = new PackedTokens(stream, length, rows, seed, false);
    this.held = new PackedTokens(TokenStream.of(tokenizer, held), length, rows, seed, false);
  }

  /** The tokenizer. */
  public Tokenizer tokenizer() {
    return tokenizer;
  }

  /** Rows of a batch. */
  public int rows() {
    return rows;
  }

  /** Tokens to train on. */
  public long tokens() {
    return tokens;
  }

  /** Batch {@code number} of the training part, [rows][length]. */
  public int[][] train(long number) {
    return cut(train, number);
  }

  /** Batch {@code number} of the held-out part. */
  public int[][] held(long number) {
    return cut(held, number);
  }

  /** Batches that see about all of the held-out part, {@code most} at most. */
  public int heldBatches(int most) {
    return (int) Math.clamp(Math.ceil(held.batchesPerEpoch()), 1, most);
  }

  private int[][] cut(PackedTokens from, long number) {
    int[] ids = from.batch(number).ids();
    int[][] out = new int[rows][];
    Arrays.setAll(out, r -> Arrays.copyOfRange(ids, r * length, (r + 1) * length));
    return out;
  }
}
