package io.heddle.methods.longrange;

import io.heddle.op.pattern.AttentionPattern;
import java.util.BitSet;
import java.util.HashMap;
import java.util.Map;

/**
 * Where a text itself says what its next token is. A token's evidence is the last earlier place in
 * the row where the token before it was followed by the same token; a model that finds the place
 * can copy. The evidence is near when a sparse layer's query sees that place, and far when it does
 * not; it is the only one there is when the two tokens never stood side by side in the training
 * text.
 */
final class Evidence {
  private final AttentionPattern sparse;
  private final long reached;
  private final BitSet known = new BitSet();
  private final int vocabulary;

  /** What a token's evidence is. */
  enum Kind {
    /** The pair has not been in the row before. */
    NONE,
    /** Seen by a query of a sparse layer. */
    NEAR,
    /** Not seen by one, but within the field of all layers together. */
    BEYOND,
    /** Outside the field of all sparse layers together: a model without full layers cannot know. */
    OUTSIDE
  }

  /**
   * Evidence for models with these sparse layers.
   *
   * @param field tokens before a query that all layers together reach
   * @param train the training text
   */
  Evidence(AttentionPattern sparse, long field, int vocabulary, int[] train) {
    this.sparse = sparse;
    this.reached = field;
    this.vocabulary = vocabulary;
    for (int i = 0; i + 1 < train.length; i++) {
      known.set(pair(train[i], train[i + 1]));
    }
  }

  private int pair(int first, int second) {
    return Math.addExact(Math.multiplyExact(first, vocabulary), second);
  }

  /** Whether these two tokens stand side by side nowhere in the training text. */
  boolean novel(int first, int second) {
    return !known.get(pair(first, second));
  }

  /** For each position of a row the evidence of the token after it. */
  Kind[] of(int[] ids, int[] next) {
    Kind[] out = new Kind[ids.length];
    Map<Integer, Integer> last = new HashMap<>();
    for (int q = 0; q < ids.length; q++) {
      if (q > 0) {
        last.put(pair(ids[q - 1], ids[q]), q);
      }
      Integer place = next[q] < 0 ? null : last.get(pair(ids[q], next[q]));
      if (place == null) {
        out[q] = Kind.NONE;
      } else if (sparse.allows(q, place)) {
        out[q] = Kind.NEAR;
      } else {
        out[q] = q - place <= reached ? Kind.BEYOND : Kind.OUTSIDE;
      }
    }
    return out;
  }
}
