package io.heddle.op.pattern;

import java.util.HashMap;
import java.util.Map;

/**
 * Keys of the query's own document. Packed text changes its documents with every batch, so their
 * lists are made in every step: documents that lie in one run each, as packing leaves them, answer
 * by their ends instead of key by key.
 */
public final class Documents implements AttentionPattern {
  private final int[] ids;
  // Of each position: where its document begins, and ends.
  private final int[] start;
  private final int[] stop;
  private final boolean runs; // every document in one piece

  Documents(int[] ids) {
    this.ids = ids.clone();
    this.start = new int[ids.length];
    this.stop = new int[ids.length];
    Map<Integer, Integer> begun = new HashMap<>();
    boolean whole = true;
    for (int from = 0; from < ids.length; ) {
      int to = from + 1;
      while (to < ids.length && ids[to] == ids[from]) {
        to++;
      }
      whole &= begun.put(ids[from], from) == null;
      for (int i = from; i < to; i++) {
        start[i] = from;
        stop[i] = to;
      }
      from = to;
    }
    this.runs = whole;
  }

  /** The document of each position. */
  public int[] ids() {
    return ids.clone();
  }

  /** Whether every document lies in one piece, so that a query sees one run of keys. */
  public boolean inRuns() {
    return runs;
  }

  /** The first position of the document at {@code position}, where they lie in runs. */
  public int start(int position) {
    return start[position];
  }

  /** The position after the document at {@code position}, where they lie in runs. */
  public int stop(int position) {
    return stop[position];
  }

  @Override
  public boolean allows(long q, long k) {
    return q < ids.length && k < ids.length && ids[(int) q] == ids[(int) k];
  }

  @Override
  public long word(long q, long k) {
    if (!runs) {
      return AttentionPattern.super.word(q, k);
    }
    return q >= ids.length ? 0 : Patterns.bits(start[(int) q] - k, stop[(int) q] - k);
  }

  @Override
  public long first(long q, long last) {
    return runs && q >= 0 && q < ids.length ? start[(int) q] : 0;
  }

  @Override
  public long end(long q, long last) {
    return runs && last >= 0 && last < ids.length ? stop[(int) last] : ids.length;
  }
}
