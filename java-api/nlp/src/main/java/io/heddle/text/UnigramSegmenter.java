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
    int n = text.length();
    float[] best = new float[n + 1];
    int[] start = new int[n + 1];
    int[] id = new int[n + 1];
    Arrays.fill(start, -1);
    for (int at = 0; at < n; at += Character.charCount(text.codePointAt(at))) {
      int from = at;
      visit(
          text,
          from,
          (end, piece, score) -> {
            double sum = score + best[from];
            if (start[end] < 0 || sum > best[end]) {
              best[end] = (float) sum;
              start[end] = from;
              id[end] = piece;
            }
          });
    }
    List<Part> out = new ArrayList<>();
    for (int end = n; end > 0; end = start[end]) {
      out.add(new Part(end, id[end]));
    }
    Collections.reverse(out);
    return out;
  }

  @Override
  public List<Part> sample(String text, double alpha, RandomGenerator random) {
    return new Lattice(this, text).sample(alpha, random);
  }
}
