package io.heddle.text;

import io.heddle.text.SentencePieceModel.Kind;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.random.RandomGenerator;

/**
 * The unigram language model (Kudo 2018): of all cuts the one whose pieces have the largest sum of
 * log-probabilities. Sums are kept in single precision, as the reference does, so that near ties
 * are decided alike.
 */
final class UnigramSegmenter implements Segmenter {
  private static final float UNKNOWN_PENALTY = 10;

  private final PieceTrie trie = new PieceTrie();
  private final double[] scores;
  private final int unknown;
  private final float unknownScore;

  UnigramSegmenter(SentencePieceModel model) {
    this.unknown = model.unknown();
    this.scores = new double[model.size()];
    float worst = Float.MAX_VALUE;
    float best = Float.MIN_NORMAL;
    for (int id = 0; id < model.size(); id++) {
      SentencePieceModel.Piece piece = model.piece(id);
      scores[id] = piece.score();
      if (piece.kind() == Kind.NORMAL) {
        worst = Math.min(worst, piece.score());
        best = Math.max(best, piece.score());
      }
      if (piece.kind() == Kind.NORMAL || piece.kind() == Kind.USER_DEFINED) {
        trie.put(piece.text(), id);
      }
    }
    this.unknownScore = worst - UNKNOWN_PENALTY;
    // A user-defined piece wins over whatever else could cover its text.
    for (int id = 0; id < model.size(); id++) {
      if (model.is(id, Kind.USER_DEFINED)) {
        scores[id] = (double) model.piece(id).text().length() * best - 0.1;
      }
    }
  }

  /** Receives every piece that begins at a place. */
  interface Visitor {
    void piece(int end, int id, double score);
  }

  /** Shows all pieces at {@code from}, shortest first; unknown when none is one character long. */
  void visit(String text, int from, Visitor visitor) {
    int one = from + Character.charCount(text.codePointAt(from));
    boolean covered = false;
    int node = PieceTrie.ROOT;
    for (int at = from; at < text.length(); ) {
      node = trie.child(node, text.charAt(at++));
      if (node == PieceTrie.NONE) {
        break;
      }
      int id = trie.value(node);
      if (id != PieceTrie.NONE) {
        visitor.piece(at, id, scores[id]);
        covered |= at == one;
      }
    }
    if (!covered) {
      visitor.piece(one, unknown, unknownScore);
    }
  }

  @Override
  public List<Part> cut(String text) {
    return cut(text, 0).parts();
  }

  @Override
  public Cut cut(String word, float before) {
    Best best = new Best(word.length());
    best.sum[0] = before;
    for (int at = 0; at < best.length; at += Character.charCount(word.codePointAt(at))) {
      int from = at;
      visit(word, from, (end, piece, score) -> best.offer(from, end, piece, score));
    }
    return best.cut(before);
  }

  @Override
  public double score(int id) {
    return id == unknown ? unknownScore : scores[id];
  }

  /** The best way to each place of a text. */
  private static final class Best {
    final int length;
    final float[] sum;
    private final double[] second; // of the sums to a place
    private final int[] start;
    private final int[] id;
    private double largest; // in size, of all sums

    Best(int length) {
      this.length = length;
      sum = new float[length + 1];
      second = new double[length + 1];
      start = new int[length + 1];
      id = new int[length + 1];
      Arrays.fill(start, -1);
      Arrays.fill(second, Double.NEGATIVE_INFINITY);
    }

    void offer(int from, int end, int piece, double score) {
      double to = score + sum[from];
      largest = Math.max(largest, Math.abs(to));
      if (start[end] < 0 || to > sum[end]) {
        second[end] = start[end] < 0 ? Double.NEGATIVE_INFINITY : sum[end];
        sum[end] = (float) to;
        start[end] = from;
        id[end] = piece;
      } else {
        second[end] = Math.max(second[end], to);
      }
    }

    Cut cut(float before) {
      List<Part> out = new ArrayList<>();
      double margin = Double.POSITIVE_INFINITY;
      for (int end = length; end > 0; end = start[end]) {
        out.add(new Part(end, id[end]));
        margin = Math.min(margin, sum[end] - second[end]);
      }
      Collections.reverse(out);
      // Each sum on the way has been rounded at most once a character, by 2^-24 of its size, so two
      // that are compared are off by no more than step times the size of the largest.
      double step = 2 * (length + 4) * 0x1p-24;
      return new Cut(out, margin / step - 2 * largest - Math.abs(before));
    }
  }

  @Override
  public List<Part> sample(String text, double alpha, RandomGenerator random) {
    return new Lattice(this, text).sample(alpha, random);
  }
}
