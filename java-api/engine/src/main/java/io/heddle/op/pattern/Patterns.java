package io.heddle.op.pattern;

import org.jspecify.annotations.Nullable;

/** The patterns of the literature. All compose by {@code and} and {@code or}. */
public final class Patterns {
  private static final AttentionPattern CAUSAL = new Band(Long.MAX_VALUE, 0);
  private static final AttentionPattern FULL = new Band(Long.MAX_VALUE, Long.MAX_VALUE);

  private Patterns() {}

  /** Every key. */
  public static AttentionPattern full() {
    return FULL;
  }

  /** Keys up to the query's own position. */
  public static AttentionPattern causal() {
    return CAUSAL;
  }

  /** Keys from {@code left} before the query to {@code right} after it, both inclusive. */
  public static AttentionPattern window(long left, long right) {
    if (left < 0 || right < 0) {
      throw new IllegalArgumentException(
          "window (" + left + ", " + right + ") must not be negative");
    }
    return new Band(left, right);
  }

  /**
   * Keys of the query's block of {@code size} positions and of {@code previous} blocks before it
   * (MASFormer's block attention).
   */
  public static AttentionPattern block(long size, long previous) {
    if (size < 1 || previous < 0) {
      throw new IllegalArgumentException(
          "block of " + size + " with " + previous + " previous ones");
    }
    return new Block(size, previous);
  }

  /**
   * Keys at distances 0, step, 2 step, ... up to {@code left} before the query (Longformer's
   * dilated window).
   */
  public static AttentionPattern dilated(long left, long step) {
    if (left < 0 || step < 1) {
      throw new IllegalArgumentException("dilated window of " + left + " with step " + step);
    }
    return new Dilated(left, step);
  }

  /** The first {@code count} positions see all and are seen by all (Longformer, BigBird). */
  public static AttentionPattern global(long count) {
    return new Global(count);
  }

  /** Keys of the query's own document; {@code ids[k]} is the document of position k. */
  public static Documents documents(int[] ids) {
    return new Documents(ids);
  }

  /** Keys below {@code length}: the rest is padding. */
  public static AttentionPattern length(long length) {
    return new Length(length);
  }

  /**
   * {@code pattern} for a text that begins at position {@code by}: what comes before it sees
   * nothing and is not seen.
   */
  public static AttentionPattern shifted(AttentionPattern pattern, long by) {
    if (by < 0) {
      throw new IllegalArgumentException("a text cannot begin at position " + by);
    }
    return by == 0 ? pattern : new Shifted(pattern, by);
  }

  /**
   * {@code pattern} for a piece of a text that begins at the text's position {@code by}: what comes
   * before it is not there.
   */
  public static AttentionPattern continued(AttentionPattern pattern, long by) {
    if (by < 0) {
      throw new IllegalArgumentException("a text cannot go on from position " + by);
    }
    return by == 0 ? pattern : new Continued(pattern, by);
  }

  // Bits lo (inclusive) to hi (exclusive) of a word, both cut to [0, 64].
  static long bits(long lo, long hi) {
    long from = Math.max(lo, 0);
    long to = Math.min(hi, 64);
    if (from >= to) {
      return 0;
    }
    return (-1L >>> (64 - (to - from))) << from;
  }

  private static long minus(long a, long b) {
    return b == Long.MAX_VALUE ? Long.MIN_VALUE / 2 : a - b;
  }

  private static long plus(long a, long b) {
    return b >= Long.MAX_VALUE - a ? Long.MAX_VALUE : a + b;
  }

  private record Band(long left, long right) implements AttentionPattern {
    @Override
    public boolean allows(long q, long k) {
      return k >= minus(q, left) && k <= plus(q, right);
    }

    @Override
    public long word(long q, long k) {
      long end = end(q, q);
      return bits(minus(q, left) - k, end == Long.MAX_VALUE ? 64 : end - k);
    }

    @Override
    public long first(long q, long last) {
      return Math.max(0, minus(q, left));
    }

    @Override
    public long end(long q, long last) {
      long e = plus(last, right);
      return e == Long.MAX_VALUE ? e : e + 1;
    }

    @Override
    public Bounds bounds() {
      return new Bounds(
          left == Long.MAX_VALUE ? -1 : left, right == Long.MAX_VALUE ? -1 : right, -1, 0);
    }
  }

  private record Block(long size, long previous) implements AttentionPattern {
    @Override
    public boolean allows(long q, long k) {
      return k >= first(q, q) && k < end(q, q);
    }

    @Override
    public long word(long q, long k) {
      return bits(first(q, q) - k, end(q, q) - k);
    }

    @Override
    public long first(long q, long last) {
      return Math.max(0, (q / size - previous) * size);
    }

    @Override
    public long end(long q, long last) {
      return (last / size + 1) * size;
    }

    @Override
    public Bounds bounds() {
      return new Bounds(-1, -1, size, previous);
    }
  }

  private record Dilated(long left, long step) implements AttentionPattern {
    @Override
    public boolean allows(long q, long k) {
      return k <= q && q - k <= left && (q - k) % step == 0;
    }

    @Override
    public long first(long q, long last) {
      return Math.max(0, q - left);
    }

    @Override
    public long end(long q, long last) {
      return last + 1;
    }
  }

  private record Global(long count) implements AttentionPattern {
    @Override
    public boolean allows(long q, long k) {
      return q < count || k < count;
    }

    @Override
    public long word(long q, long k) {
      return q < count ? -1L : bits(0, count - k);
    }

    @Override
    public long end(long q, long last) {
      return q < count ? Long.MAX_VALUE : count;
    }
  }

  private record Length(long length) implements AttentionPattern {
    @Override
    public boolean allows(long q, long k) {
      return k < length;
    }

    @Override
    public long word(long q, long k) {
      return bits(0, length - k);
    }

    @Override
    public long end(long q, long last) {
      return length;
    }
  }

  private record Shifted(AttentionPattern pattern, long by) implements AttentionPattern {
    @Override
    public boolean allows(long q, long k) {
      return q >= by && k >= by && pattern.allows(q - by, k - by);
    }

    @Override
    public long word(long q, long k) {
      if (q < by || k + 64 <= by) {
        return 0;
      }
      return k >= by ? pattern.word(q - by, k - by) : pattern.word(q - by, 0) << (by - k);
    }

    @Override
    public long first(long q, long last) {
      return by + pattern.first(Math.max(0, q - by), Math.max(0, last - by));
    }

    @Override
    public long end(long q, long last) {
      return last < by ? by : plus(pattern.end(Math.max(0, q - by), last - by), by);
    }
  }

  private record Continued(AttentionPattern pattern, long by) implements AttentionPattern {
    @Override
    public boolean allows(long q, long k) {
      return pattern.allows(q + by, k + by);
    }

    @Override
    public long word(long q, long k) {
      return pattern.word(q + by, k + by);
    }

    @Override
    public long first(long q, long last) {
      return Math.max(0, pattern.first(q + by, last + by) - by);
    }

    @Override
    public long end(long q, long last) {
      long end = pattern.end(q + by, last + by);
      return end == Long.MAX_VALUE ? end : end - by;
    }
  }

  record And(AttentionPattern a, AttentionPattern b) implements AttentionPattern {
    @Override
    public boolean allows(long q, long k) {
      return a.allows(q, k) && b.allows(q, k);
    }

    @Override
    public long word(long q, long k) {
      long bits = a.word(q, k);
      return bits == 0 ? 0 : bits & b.word(q, k);
    }

    @Override
    public long first(long q, long last) {
      return Math.max(a.first(q, last), b.first(q, last));
    }

    @Override
    public long end(long q, long last) {
      return Math.min(a.end(q, last), b.end(q, last));
    }

    @Override
    public @Nullable Bounds bounds() {
      return Bounds.both(a, b);
    }
  }

  record Or(AttentionPattern a, AttentionPattern b) implements AttentionPattern {
    @Override
    public boolean allows(long q, long k) {
      return a.allows(q, k) || b.allows(q, k);
    }

    @Override
    public long word(long q, long k) {
      return a.word(q, k) | b.word(q, k);
    }

    @Override
    public long first(long q, long last) {
      return Math.min(a.first(q, last), b.first(q, last));
    }

    @Override
    public long end(long q, long last) {
      return Math.max(a.end(q, last), b.end(q, last));
    }
  }
}
