package io.heddle.methods.lm;

import io.heddle.data.Document;
import io.heddle.data.EvaluationWindows;
import io.heddle.data.TokenBatch;
import io.heddle.data.UnigramEntropy;
import io.heddle.text.Tokenizer;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.zip.CRC32C;

/** Tokenised documents: what a model trains on and what it is scored on. */
public final class LmData {
  private final Tokenizer tokenizer;
  private final int[] train;
  private final List<int[]> held;
  private final long heldBytes;

  private LmData(Tokenizer tokenizer, int[] train, List<int[]> held, long heldBytes) {
    this.tokenizer = tokenizer;
    this.train = train;
    this.held = held;
    this.heldBytes = heldBytes;
  }

  /** Tokenises; an end of text stands before every document. */
  public static LmData of(Tokenizer tokenizer, List<Document> train, List<Document> held) {
    List<int[]> parts = train.stream().map(d -> tokens(tokenizer, d)).toList();
    List<int[]> heldParts =
        held.stream().filter(d -> !d.text().isEmpty()).map(d -> tokens(tokenizer, d)).toList();
    long bytes =
        held.stream().mapToLong(d -> d.text().getBytes(StandardCharsets.UTF_8).length).sum();
    return new LmData(tokenizer, join(parts), heldParts, bytes);
  }

  private static int[] tokens(Tokenizer tokenizer, Document document) {
    int[] ids = tokenizer.encode(document.text());
    int[] out = new int[ids.length + 1];
    out[0] =
        tokenizer
            .endOfText()
            .orElseThrow(
                () -> new IllegalArgumentException("the tokenizer has no end-of-text token"));
    System.arraycopy(ids, 0, out, 1, ids.length);
    return out;
  }

  private static int[] join(List<int[]> parts) {
    int[] out = new int[parts.stream().mapToInt(p -> p.length).sum()];
    int at = 0;
    for (int[] part : parts) {
      System.arraycopy(part, 0, out, at, part.length);
      at += part.length;
    }
    return out;
  }

  /** The tokenizer. */
  public Tokenizer tokenizer() {
    return tokenizer;
  }

  /** All training tokens, document after document. */
  public int[] train() {
    return train;
  }

  /** A check sum of the training tokens, of 32 bits. */
  long digest() {
    CRC32C digest = new CRC32C();
    ByteBuffer one = ByteBuffer.allocate(Integer.BYTES);
    for (int token : train) {
      digest.update(one.putInt(0, token).rewind());
    }
    return digest.getValue();
  }

  /** Bytes of the held-out text. */
  public long heldBytes() {
    return heldBytes;
  }

  /** The held-out documents' tokens, an end of text before each. */
  public List<int[]> held() {
    return held;
  }

  /** Held-out windows, see {@link EvaluationWindows#cut}. */
  public List<TokenBatch> heldBatches(int length, int stride, int rows) {
    return EvaluationWindows.cut(held, length, stride, rows);
  }

  /**
   * A part of the held-out text for evaluations on the way: about {@code tokens} tokens, from all
   * documents alike.
   */
  public Sample sample(int tokens) {
    long total = held.stream().mapToLong(d -> d.length).sum();
    List<int[]> parts = new ArrayList<>();
    long bytes = 0;
    for (int[] document : held) {
      int n =
          (int)
              Math.min(
                  document.length,
                  Math.max(2, (long) tokens * document.length / Math.max(total, 1)));
      int[] part = java.util.Arrays.copyOf(document, n);
      parts.add(part);
      bytes += tokenizer.decodeBytes(java.util.Arrays.copyOfRange(part, 1, n)).length;
    }
    return new Sample(parts, bytes);
  }

  /**
   * Part of a held-out text.
   *
   * @param documents tokens
   * @param bytes bytes of the scored tokens
   */
  public record Sample(List<int[]> documents, long bytes) {}

  /** Cost of predicting held-out tokens by frequency alone, in nats per token. */
  public double unigramNats() {
    return UnigramEntropy.nats(train, join(held), tokenizer.vocabularySize());
  }
}
