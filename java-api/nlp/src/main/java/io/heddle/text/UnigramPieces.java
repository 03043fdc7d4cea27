package io.heddle.text;

import java.util.Arrays;

/**
 * Pieces with log-probabilities during unigram training: expected counts over all cuts of a word
 * (forward and backward sums), and the best cut.
 */
final class UnigramPieces {
  private final String[] texts;
  private final double[] scores;
  private final PieceTrie trie = new PieceTrie();

  // Space for one word, grown as needed.
  private double[] before = new double[64];
  private double[] after = new double[64];
  private int[] start = new int[64];
  private int[] chosen = new int[64];

  UnigramPieces(String[] texts, double[] scores) {
    this.texts = texts;
    this.scores = scores;
    for (int id = 0; id < texts.length; id++) {
      trie.put(texts[id], id);
    }
  }

  int size() {
    return texts.length;
  }

  String text(int id) {
    return texts[id];
  }

  double score(int id) {
    return scores[id];
  }

  boolean isCharacter(int id) {
    return texts[id].codePointCount(0, texts[id].length()) == 1;
  }

  private interface Visitor {
    void piece(int from, int end, int id);
  }

  private void visit(String word, int from, Visitor visitor) {
    int node = PieceTrie.ROOT;
    for (int at = from; at < word.length(); ) {
      node = trie.child(node, word.charAt(at++));
      if (node == PieceTrie.NONE) {
        return;
      }
      int id = trie.value(node);
      if (id != PieceTrie.NONE) {
        visitor.piece(from, at, id);
      }
    }
  }

  private void room(int length) {
    if (before.length <= length) {
      before = new double[2 * length];
      after = new double[2 * length];
      start = new int[2 * length];
      chosen = new int[2 * length];
    }
    Arrays.fill(before, 0, length + 1, Double.NEGATIVE_INFINITY);
    Arrays.fill(after, 0, length + 1, Double.NEGATIVE_INFINITY);
  }

  /**
   * Adds to {@code counts} how often each piece is expected in {@code times} such words.
   *
   * @return the log-probability of the word; without a cut minus infinity, and nothing is added
   */
  double expect(String word, double times, double[] counts) {
    int n = word.length();
    room(n);
    before[0] = 0;
    after[n] = 0;
    for (int from = 0; from < n; from++) {
      if (before[from] > Double.NEGATIVE_INFINITY) {
        visit(word, from, (f, end, id) -> before[end] = sum(before[end], before[f] + scores[id]));
      }
    }
    double all = before[n];
    if (all == Double.NEGATIVE_INFINITY) {
      return all;
    }
    for (int from = n - 1; from >= 0; from--) {
      visit(word, from, (f, end, id) -> after[f] = sum(after[f], after[end] + scores[id]));
    }
    for (int from = 0; from < n; from++) {
      visit(
          word,
          from,
          (f, end, id) -> {
            double share = before[f] + scores[id] + after[end] - all;
            if (share > Double.NEGATIVE_INFINITY) {
              counts[id] += times * Math.exp(share);
            }
          });
    }
    return all;
  }

  // log(exp(a) + exp(b))
  private static double sum(double a, double b) {
    double high = Math.max(a, b);
    double low = Math.min(a, b);
    return low == Double.NEGATIVE_INFINITY ? high : high + Math.log1p(Math.exp(low - high));
  }

  /**
   * The best cut of a word.
   *
   * @param without a piece that is not to be used, or -1
   * @return ids of its pieces, none if there is no cut
   */
  int[] best(String word, int without) {
    int n = word.length();
    room(n);
    before[0] = 0;
    for (int from = 0; from < n; from++) {
      if (before[from] > Double.NEGATIVE_INFINITY) {
        visit(
            word,
            from,
            (f, end, id) -> {
              double score = before[f] + scores[id];
              if (id != without && score > before[end]) {
                before[end] = score;
                start[end] = f;
                chosen[end] = id;
              }
            });
      }
    }
    if (before[n] == Double.NEGATIVE_INFINITY) {
      return new int[0];
    }
    int count = 0;
    for (int end = n; end > 0; end = start[end]) {
      count++;
    }
    int[] out = new int[count];
    for (int end = n; end > 0; end = start[end]) {
      out[--count] = chosen[end];
    }
    return out;
  }
}
