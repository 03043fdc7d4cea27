package io.heddle.methods.merge;

import io.heddle.data.Document;
import io.heddle.data.PackedTokens;
import io.heddle.data.TextSource;
import io.heddle.data.TokenBatch;
import io.heddle.methods.lm.LmData;
import io.heddle.text.Tokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.LongFunction;

/**
 * A data source as a model meets it.
 *
 * @param name of the source
 * @param size of its training part in tokens: what mixtures are weighted by
 * @param rows its training batches
 * @param validation to choose by
 * @param test to report
 * @param floor nats per token of the best possible model on the test part; 0 where nobody knows it
 */
public record TrainingSource(
    String name,
    long size,
    Rows rows,
    List<TokenBatch> validation,
    List<TokenBatch> test,
    double floor) {

  /** Training batches, drawn anew for each seed; each a pure function of its number. */
  @FunctionalInterface
  public interface Rows {
    /**
     * The batches.
     *
     * @param rows sequences of a batch
     */
    LongFunction<TokenBatch> batches(long seed, int rows);
  }

  /**
   * A source of text.
   *
   * @param length tokens of a row
   * @param tokens about how many tokens are scored, of the validation part and of the test part
   */
  static TrainingSource text(TextSource text, Tokenizer tokenizer, int length, int... tokens) {
    int[] train = LmData.of(tokenizer, text.train(), List.of()).train();
    return new TrainingSource(
        text.name(),
        train.length,
        packed(train, length),
        held(tokenizer, text.validation(), length, tokens[0]),
        held(tokenizer, text.test(), length, tokens[1]),
        0);
  }

  /** All documents end to end, cut into rows in random order. */
  static Rows packed(Tokenizer tokenizer, List<Document> documents, int length) {
    return packed(LmData.of(tokenizer, documents, List.of()).train(), length);
  }

  private static Rows packed(int[] tokens, int length) {
    return (seed, rows) -> new PackedTokens(tokens, length, rows, seed)::batch;
  }

  private static List<TokenBatch> held(
      Tokenizer tokenizer, List<Document> documents, int length, int tokens) {
    int[] stream = LmData.of(tokenizer, documents, List.of()).train();
    int rows = Math.max(1, Math.min(tokens, stream.length - 1) / length);
    if (stream.length < length + 1) {
      throw new IllegalArgumentException(
          "a held-out part has %d tokens, fewer than a row of %d"
              .formatted(stream.length, length + 1));
    }
    // Spread over the whole stream, so that a sample has something of all documents.
    List<TokenBatch> batches = new ArrayList<>();
    int each = 16;
    for (int first = 0; first < rows; first += each) {
      int n = Math.min(each, rows - first);
      int[] ids = new int[n * length];
      int[] targets = new int[n * length];
      for (int r = 0; r < n; r++) {
        int at = (int) ((long) (first + r) * (stream.length - 1 - length) / Math.max(1, rows - 1));
        System.arraycopy(stream, at, ids, r * length, length);
        System.arraycopy(stream, at + 1, targets, r * length, length);
      }
      batches.add(new TokenBatch(n, ids, targets, null));
    }
    return List.copyOf(batches);
  }

  /** Tokens of the validation part. */
  long validationTokens() {
    return validation.stream().mapToLong(b -> b.ids().length).sum();
  }

  /**
   * Batches whose rows come from several sources, each row's drawn by {@code shares} and its
   * number.
   *
   * @param shares of the sources; need not sum to 1
   */
  static Rows mixture(List<TrainingSource> sources, double[] shares) {
    double total = Arrays.stream(shares).sum();
    return (seed, rows) -> {
      List<LongFunction<TokenBatch>> single = new ArrayList<>();
      for (int i = 0; i < sources.size(); i++) {
        single.add(sources.get(i).rows.batches(seed + i, 1));
      }
      return number -> {
        List<TokenBatch> drawn = new ArrayList<>();
        for (int r = 0; r < rows; r++) {
          long row = number * rows + r;
          double at = new SplittableRandom(seed ^ (row * 0x9E3779B97F4A7C15L)).nextDouble() * total;
          int source = 0;
          while (source + 1 < shares.length && at >= shares[source]) {
            at -= shares[source++];
          }
          drawn.add(single.get(source).apply(row));
        }
        return joined(drawn);
      };
    };
  }

  private static TokenBatch joined(List<TokenBatch> rows) {
    int length = rows.getFirst().ids().length;
    int[] ids = new int[rows.size() * length];
    int[] targets = new int[ids.length];
    for (int r = 0; r < rows.size(); r++) {
      System.arraycopy(rows.get(r).ids(), 0, ids, r * length, length);
      System.arraycopy(rows.get(r).targets(), 0, targets, r * length, length);
    }
    return new TokenBatch(rows.size(), ids, targets, null);
  }
}
