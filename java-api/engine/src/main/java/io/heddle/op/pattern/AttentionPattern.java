package io.heddle.op.pattern;

import org.jspecify.annotations.Nullable;

/**
 * Which keys a query may see. The predicate is the definition; {@link #word} and {@link
 * #first}/{@link #end} only make its compilation to a {@link BlockLayout} fast. Positions count
 * from the start of the keys: with T queries over S keys, query i has position i + S - T (the last
 * query sees with the last key); with more queries than keys the first ones come before all keys
 * and see none.
 */
@FunctionalInterface
public interface AttentionPattern {
  /** Whether the query at position {@code q} may see key {@code k}. */
  boolean allows(long q, long k);

  /** {@link #allows} for keys {@code k} to {@code k + 63}: bit j is key k + j. */
  default long word(long q, long k) {
    long bits = 0;
    for (int j = 0; j < 64; j++) {
      if (allows(q, k + j)) {
        bits |= 1L << j;
      }
    }
    return bits;
  }

  /** No key below this is seen by the queries from {@code q} to {@code last}. */
  default long first(long q, long last) {
    return 0;
  }

  /** No key from this on is seen by the queries from {@code q} to {@code last}. */
  default long end(long q, long last) {
    return Long.MAX_VALUE;
  }

  /** The same as numbers, where every query sees one run of keys by them; else null. */
  default @Nullable Bounds bounds() {
    return null;
  }

  /** Keys that both patterns show. */
  default AttentionPattern and(AttentionPattern other) {
    return new Patterns.And(this, other);
  }

  /** Keys that one of the patterns shows. */
  default AttentionPattern or(AttentionPattern other) {
    return new Patterns.Or(this, other);
  }
}
