package io.heddle.op.pattern;

import org.jspecify.annotations.Nullable;

/**
 * A pattern in which every query sees one run of keys, as op {@code block_lists} takes it: the keys
 * of a window that also lie in the query's block or in one of those before it.
 *
 * @param left keys before the query that it may see; -1 for all
 * @param right keys after the query that it may see; -1 for all
 * @param size positions of a block; -1 for no blocks
 * @param previous blocks before the query's own that it may see
 */
public record Bounds(long left, long right, long size, long previous) {
  /** The bounds of a pattern, or null where a query may see more than a run of keys. */
  public static @Nullable Bounds of(AttentionPattern pattern) {
    return pattern.bounds();
  }

  /** The pattern of these bounds. */
  public AttentionPattern pattern() {
    AttentionPattern window =
        Patterns.window(left < 0 ? Long.MAX_VALUE : left, right < 0 ? Long.MAX_VALUE : right);
    return size < 0 ? window : window.and(Patterns.block(size, previous));
  }

  /** The first key that the query at {@code q} sees. */
  public long first(long q) {
    long near = left < 0 ? 0 : q - left;
    long block = size < 0 ? 0 : (q / size - previous) * size;
    return Math.max(0, Math.max(near, block));
  }

  // Both, or null where both have blocks that differ.
  @Nullable Bounds and(Bounds other) {
    if (size >= 0 && other.size >= 0 && (size != other.size || previous != other.previous)) {
      return null;
    }
    Bounds blocks = size >= 0 ? this : other;
    return new Bounds(
        nearer(left, other.left), nearer(right, other.right), blocks.size, blocks.previous);
  }

  private static long nearer(long a, long b) {
    return a < 0 ? b : b < 0 ? a : Math.min(a, b);
  }

  static @Nullable Bounds both(AttentionPattern a, AttentionPattern b) {
    Bounds first = a.bounds();
    Bounds second = b.bounds();
    return first == null || second == null ? null : first.and(second);
  }
}
