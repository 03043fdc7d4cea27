package io.heddle.text;

import java.util.ArrayList;
import java.util.List;
import java.util.random.RandomGenerator;

/** One way of cutting normalized text into pieces. */
interface Segmenter {
  /** A part of a text, from the end of the part before to {@code end}, and its id. */
  record Part(int end, int id) {}

  /**
   * The parts of a word.
   *
   * @param reach the word is cut so behind every text whose sum of scores is at most that in size
   */
  record Cut(List<Part> parts, double reach) {}

  /** The parts of {@code text}, which cover it. */
  List<Part> cut(String text);

  /**
   * The parts of a word within a text.
   *
   * @param before the sum of the scores of the parts before it
   */
  default Cut cut(String word, float before) {
    return new Cut(cut(word), Double.POSITIVE_INFINITY);
  }

  /** What a part with this id adds to the sum. */
  default double score(int id) {
    return 0;
  }

  /**
   * A cut at random.
   *
   * @param alpha how strongly the best cut is preferred (unigram), or the share of merges that are
   *     left out (BPE)
   */
  default List<Part> sample(String text, double alpha, RandomGenerator random) {
    throw new UnsupportedOperationException("sampling needs a unigram or BPE model");
  }

  /** Every character a piece. */
  static Segmenter characters(SentencePieceModel model) {
    return text -> {
      List<Part> out = new ArrayList<>();
      for (int at = 0; at < text.length(); ) {
        int end = text.offsetByCodePoints(at, 1);
        out.add(new Part(end, known(model, text.substring(at, end))));
        at = end;
      }
      return out;
    };
  }

  /** Every word a piece, with the space before it: the reference knows no other cut of words. */
  static Segmenter words(SentencePieceModel model) {
    return text -> {
      List<Part> out = new ArrayList<>();
      for (int at = 0; at < text.length(); ) {
        int space = text.indexOf(PieceNormalizer.SPACE, at + 1);
        int end = space < 0 ? text.length() : space;
        out.add(new Part(end, known(model, text.substring(at, end))));
        at = end;
      }
      return out;
    };
  }

  /** The id of a whole symbol, control pieces included as in the reference, or unknown. */
  static int known(SentencePieceModel model, String text) {
    int id = model.id(text);
    return id < 0 ? model.unknown() : id;
  }
}
