package io.heddle.data;

import io.heddle.text.Tokenizer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * The tokens of documents end to end, with the places where documents begin. An end of text stands
 * before every document when the tokenizer has one, so that each token of a text has something it
 * is predicted from.
 */
public final class TokenStream {
  private final int[] ids;
  private final int[] starts;
  private final long bytes;

  private TokenStream(int[] ids, int[] starts, long bytes) {
    this.ids = ids;
    this.starts = starts;
    this.bytes = bytes;
  }

  /** Tokenises; empty documents are left out. */
  public static TokenStream of(Tokenizer tokenizer, List<Document> documents) {
    int[] mark = tokenizer.endOfText().stream().toArray();
    List<int[]> parts = new ArrayList<>();
    long bytes = 0;
    for (Document document : documents) {
      if (!document.text().isEmpty()) {
        parts.add(joined(List.of(mark, tokenizer.encode(document.text()))));
        bytes += document.text().getBytes(StandardCharsets.UTF_8).length;
      }
    }
    return of(parts, bytes);
  }

  /**
   * From tokens.
   *
   * @param documents tokens of each document
   * @param bytes of the text that they stand for
   */
  public static TokenStream of(List<int[]> documents, long bytes) {
    int[] starts = new int[documents.size()];
    for (int i = 1; i < starts.length; i++) {
      starts[i] = Math.addExact(starts[i - 1], documents.get(i - 1).length);
    }
    return new TokenStream(joined(documents), starts, bytes);
  }

  private static int[] joined(List<int[]> parts) {
    int[] out = new int[parts.stream().mapToInt(p -> p.length).reduce(0, Math::addExact)];
    int at = 0;
    for (int[] part : parts) {
      System.arraycopy(part, 0, out, at, part.length);
      at += part.length;
    }
    return out;
  }

  /** Number of tokens, ends of text among them. */
  public int size() {
    return ids.length;
  }

  /** All tokens; not a copy. */
  public int[] ids() {
    return ids;
  }

  /** UTF-8 bytes of all documents: the measure of bits per byte, whatever the tokenizer. */
  public long bytes() {
    return bytes;
  }

  /** Number of documents. */
  public int documents() {
    return starts.length;
  }

  /** The number of the document that token {@code at} belongs to. */
  public int documentAt(int at) {
    int found = Arrays.binarySearch(starts, at);
    return found >= 0 ? found : -found - 2;
  }

  /** The documents of {@code length} tokens from {@code from} on. */
  int[] documents(int from, int length) {
    int[] out = new int[length];
    int document = documentAt(from);
    for (int i = 0; i < length; i++) {
      while (document + 1 < starts.length && starts[document + 1] <= from + i) {
        document++;
      }
      out[i] = document;
    }
    return out;
  }

  /** Each document's tokens, e.g. for {@link EvaluationWindows#cut}. */
  public List<int[]> perDocument() {
    List<int[]> out = new ArrayList<>(starts.length);
    for (int i = 0; i < starts.length; i++) {
      int end = i + 1 < starts.length ? starts[i + 1] : ids.length;
      out.add(Arrays.copyOfRange(ids, starts[i], end));
    }
    return out;
  }

  /** A hash of all tokens, by which a resumed run can see that its data are still the same. */
  public long fingerprint() {
    long hash = ids.length;
    for (int id : ids) {
      hash = Mix.hash(hash * 31 + id);
    }
    return hash;
  }
}
