package io.heddle.text;

import java.util.List;

/** WordPiece's rule: a word is spelt with the longest pieces that fit, from the left. */
final class LongestPieces {
  private final PieceTrie starts = new PieceTrie();
  private final PieceTrie insides = new PieceTrie();
  private final int unknown;
  private final int longestWord;

  /**
   * A vocabulary.
   *
   * @param pieces by id
   * @param within begins the pieces that do not begin a word
   * @param unknown id of words that no pieces spell
   * @param longestWord words of more characters are unknown
   */
  LongestPieces(List<String> pieces, String within, int unknown, int longestWord) {
    this.unknown = unknown;
    this.longestWord = longestWord;
    for (int i = 0; i < pieces.size(); i++) {
      String piece = pieces.get(i);
      if (piece.startsWith(within) && piece.length() > within.length()) {
        insides.put(piece.substring(within.length()), i);
      }
      starts.put(piece, i);
    }
  }

  int[] spell(String word) {
    Ids out = new Ids(4);
    boolean tooLong =
        word.length() > longestWord && word.codePointCount(0, word.length()) > longestWord;
    for (int from = 0; from < word.length(); ) {
      PieceTrie trie = from == 0 ? starts : insides;
      int id = PieceTrie.NONE;
      int end = from;
      int node = tooLong ? PieceTrie.NONE : PieceTrie.ROOT;
      for (int at = from; node != PieceTrie.NONE && at < word.length(); ) {
        node = trie.child(node, word.charAt(at++));
        if (node != PieceTrie.NONE && trie.value(node) != PieceTrie.NONE) {
          id = trie.value(node);
          end = at;
        }
      }
      if (id == PieceTrie.NONE) {
        return new int[] {unknown};
      }
      out.add(id);
      from = end;
    }
    return out.toArray();
  }
}
