package io.heddle.text;

import io.heddle.text.Segmenter.Part;
import io.heddle.text.SentencePieceModel.Algorithm;
import io.heddle.text.SentencePieceModel.Kind;
import java.nio.charset.StandardCharsets;
import java.util.List;

/**
 * The ids of normalized text, word by word. Where no piece has a space behind another character, no
 * word's cut depends on its neighbours, but for one thing: a unigram model's sums are kept in
 * single precision from the beginning of the text on, as the reference keeps them, so that a near
 * tie may be decided by what stands before. {@link Segmenter.Cut#reach} says where that begins;
 * there the word is cut anew behind its text's own sum. The ids are those of the text cut as a
 * whole.
 */
final class PieceWords {
  private static final char SPACE = PieceNormalizer.SPACE.charAt(0);

  private final SentencePieceModel model;
  private final Segmenter segmenter;
  private final int[] byteIds;
  private final boolean apart;
  private final WordCache<Word> cache = new WordCache<>(word -> word(word, 0));

  // The ids of a word, and what each of its parts adds to the sum.
  @SuppressWarnings("ArrayRecordComponent") // never compared
  private record Word(int[] ids, double[] scores, double reach) {}

  /**
   * Of a model.
   *
   * @param byteIds the id of each byte, for models with byte fallback
   */
  PieceWords(SentencePieceModel model, Segmenter segmenter, int[] byteIds) {
    this.model = model;
    this.segmenter = segmenter;
    this.byteIds = byteIds;
    this.apart = isApart(model);
  }

  private static boolean isApart(SentencePieceModel model) {
    for (int id = 0; id < model.size(); id++) {
      String text = model.piece(id).text();
      boolean spelt = model.textId(text) >= 0;
      for (int at = 1; spelt && at < text.length(); at++) {
        if (text.charAt(at) == SPACE && text.charAt(at - 1) != SPACE) {
          return false;
        }
      }
      // What an unused piece comes apart into is remembered over the whole text.
      if (model.algorithm() == Algorithm.BPE && model.is(id, Kind.UNUSED)) {
        return false;
      }
    }
    return true;
  }

  /** The ids of {@code text}; neighbours outside the vocabulary are one. */
  int[] ids(String text) {
    Ids out = new Ids(text.length() / 3);
    int last = -1;
    float sum = 0;
    for (int from = 0; from < text.length(); ) {
      int end = apart ? end(text, from) : text.length();
      Word word = apart ? cache.get(text, from, end) : word(text, 0);
      if (sum != 0 && Math.abs(sum) > word.reach) {
        word = word(text.substring(from, end), sum);
      }
      boolean joins = last == model.unknown() && word.ids[0] == last;
      out.add(word.ids, joins ? 1 : 0);
      last = word.ids[word.ids.length - 1];
      for (double score : word.scores) {
        sum = (float) (score + sum);
      }
      from = end;
    }
    return out.toArray();
  }

  private static int end(String text, int from) {
    int at = from + 1;
    while (at < text.length() && (text.charAt(at) != SPACE || text.charAt(at - 1) == SPACE)) {
      at++;
    }
    return at;
  }

  private Word word(String word, float before) {
    Segmenter.Cut cut = segmenter.cut(word, before);
    List<Part> parts = cut.parts();
    Ids ids = new Ids(parts.size());
    boolean afterUnknown = false;
    int from = 0;
    for (Part part : parts) {
      boolean isUnknown = part.id() == model.unknown();
      if (isUnknown && model.byteFallback()) {
        for (byte b : word.substring(from, part.end()).getBytes(StandardCharsets.UTF_8)) {
          ids.add(byteIds[b & 0xFF]);
        }
      } else if (!(isUnknown && afterUnknown)) {
        ids.add(part.id());
      }
      afterUnknown = isUnknown;
      from = part.end();
    }
    double[] scores = parts.stream().mapToDouble(part -> segmenter.score(part.id())).toArray();
    return new Word(ids.toArray(), scores, cut.reach());
  }
}
