package io.heddle.data;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Pairs of segments as BERT is pretrained on (Devlin et al. 2019; the authors' program and
 * GluonNLP's script): the sentences of a document are packed up to a length and cut in two; the
 * second part is, half of the time, replaced by sentences of another document, and what it had is
 * used again. Draws depend on the seed alone.
 */
public final class SentencePairs {
  private static final int MARKS = 3; // [CLS] first [SEP] second [SEP]

  private final List<List<int[]>> documents;
  private final int longest;
  private final double shorter;
  private final Mix random;
  private final List<Pair> out = new ArrayList<>();

  /**
   * A pair.
   *
   * @param first tokens, at least one
   * @param second tokens, at least one
   * @param follows whether the second part followed the first in their document
   */
  @SuppressWarnings("ArrayRecordComponent") // rows of tokens, never compared
  public record Pair(int[] first, int[] second, boolean follows) {
    /** The row of a model: marks, both parts and padding up to {@code length}. */
    public int[] row(int begin, int end, int padding, int length) {
      int[] row = new int[length];
      Arrays.fill(row, padding);
      row[0] = begin;
      System.arraycopy(first, 0, row, 1, first.length);
      row[first.length + 1] = end;
      System.arraycopy(second, 0, row, first.length + 2, second.length);
      row[first.length + second.length + 2] = end;
      return row;
    }

    /** The segment of each token of {@link #row}; padding belongs to the first. */
    public int[] segments(int length) {
      int[] types = new int[length];
      Arrays.fill(types, first.length + 2, first.length + second.length + MARKS, 1);
      return types;
    }

    /** 1 for each token of {@link #row}, 0 for padding. */
    public int[] mask(int length) {
      int[] mask = new int[length];
      Arrays.fill(mask, 0, first.length + second.length + MARKS, 1);
      return mask;
    }
  }

  private SentencePairs(List<List<int[]>> documents, int longest, double shorter, long seed) {
    this.documents = documents;
    this.longest = longest;
    this.shorter = shorter;
    this.random = new Mix(Mix.hash(seed));
  }

  /**
   * The pairs of all documents, once through.
   *
   * @param documents two at least, each of sentences, none empty
   * @param length most tokens of a row, the three marks among them
   * @param shorter share of rows that are packed up to a random length from 2 on
   */
  public static List<Pair> of(List<List<int[]>> documents, int length, double shorter, long seed) {
    boolean empty =
        documents.stream()
            .anyMatch(d -> d.isEmpty() || d.stream().anyMatch(sentence -> sentence.length == 0));
    if (documents.size() < 2 || empty || length < MARKS + 2) {
      throw new IllegalArgumentException(
          documents.size()
              + " documents for rows of "
              + length
              + " tokens: pairs need two documents, sentences that are not empty, and room for "
              + (MARKS + 2)
              + " tokens");
    }
    SentencePairs pairs = new SentencePairs(documents, length - MARKS, shorter, seed);
    for (int d = 0; d < documents.size(); d++) {
      pairs.read(d);
    }
    return List.copyOf(pairs.out);
  }

  private boolean chance(double p) {
    return (random.next() >>> 11) * 0x1.0p-53 < p;
  }

  private int target() {
    return chance(shorter) ? 2 + random.below(longest - 1) : longest;
  }

  private void read(int document) {
    List<int[]> sentences = documents.get(document);
    int target = target();
    int from = 0;
    int length = 0;
    for (int i = 0; i < sentences.size(); i++) {
      length += sentences.get(i).length;
      if (length < target && i < sentences.size() - 1) {
        continue;
      }
      int size = i + 1 - from;
      int cut = size == 1 ? 1 : 1 + random.below(size - 1);
      int[] first = joined(sentences.subList(from, from + cut));
      if (size == 1 || chance(0.5)) {
        add(first, other(document, target - first.length), false);
        i = from + cut - 1; // the sentences that were not used come again
      } else {
        add(first, joined(sentences.subList(from + cut, i + 1)), true);
      }
      from = i + 1;
      length = 0;
      target = target();
    }
  }

  // Sentences of another document from a random one on, up to a length; one at least.
  private int[] other(int document, int length) {
    int drawn = random.below(documents.size() - 1);
    List<int[]> sentences = documents.get(drawn < document ? drawn : drawn + 1);
    int from = random.below(sentences.size());
    int to = from;
    int have = 0;
    while (to < sentences.size() && (to == from || have < length)) {
      have += sentences.get(to++).length;
    }
    return joined(sentences.subList(from, to));
  }

  // What is too long loses tokens of the longer part, at either end.
  private void add(int[] first, int[] second, boolean follows) {
    int[] a = first;
    int[] b = second;
    while (a.length + b.length > longest) {
      boolean front = chance(0.5);
      if (a.length > b.length) {
        a = front ? Arrays.copyOfRange(a, 1, a.length) : Arrays.copyOf(a, a.length - 1);
      } else {
        b = front ? Arrays.copyOfRange(b, 1, b.length) : Arrays.copyOf(b, b.length - 1);
      }
    }
    out.add(new Pair(a, b, follows));
  }

  private static int[] joined(List<int[]> sentences) {
    return sentences.stream().flatMapToInt(Arrays::stream).toArray();
  }
}
