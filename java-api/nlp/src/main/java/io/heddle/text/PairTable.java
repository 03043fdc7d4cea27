package io.heddle.text;

import java.util.Arrays;

/**
 * The merges of a BPE: a pair of neighbours gives the piece that joins them, and the rank says who
 * goes first. Open addressing over primitive arrays, because encoding asks it for every pair of
 * every new word.
 */
final class PairTable {
  private static final long FREE = -1;

  private final long[] keys;
  private final int[] ranks;
  private final int[] joined;
  private final int mask;

  /** A table for at most {@code pairs} pairs. */
  PairTable(int pairs) {
    int capacity = Integer.highestOneBit(Math.max(8, pairs) * 2 - 1) * 2;
    keys = new long[capacity];
    Arrays.fill(keys, FREE);
    ranks = new int[capacity];
    joined = new int[capacity];
    mask = capacity - 1;
  }

  /** Both ids in one number. */
  static long key(int left, int right) {
    return ((long) left << 32) | right;
  }

  /** Adds a pair; one that is there already gets the new rank, as in Python's dictionaries. */
  void put(int left, int right, int rank, int piece) {
    long key = key(left, right);
    int slot = slot(key);
    keys[slot] = key;
    ranks[slot] = rank;
    joined[slot] = piece;
  }

  private int slot(long key) {
    long hash = key * 0x9E3779B97F4A7C15L;
    int slot = (int) (hash >>> 32) & mask;
    while (keys[slot] != FREE && keys[slot] != key) {
      slot = (slot + 1) & mask;
    }
    return slot;
  }

  /**
   * Joins neighbours, the pair of the lowest rank first and of these the leftmost, until no pair is
   * left. Works on a linked list with a heap of candidates: n log n for a word of n symbols, so a
   * megabyte without a space is no trap.
   *
   * @param ids symbols, overwritten
   * @param n how many
   * @return number of symbols left, at the front of {@code ids}
   */
  int merge(int[] ids, int n) {
    return merge(ids, n, false);
  }

  /**
   * {@link #merge(int[], int)}, but with {@code together} all pairs of a rank are joined before the
   * new neighbours are looked at. That is the rule of subword-nmt, and differs where a merge makes
   * a pair of a lower rank.
   */
  int merge(int[] ids, int n, boolean together) {
    int[] next = new int[n];
    int[] previous = new int[n];
    LongHeap heap = new LongHeap(n);
    for (int i = 0; i < n; i++) {
      next[i] = i + 1;
      previous[i] = i - 1;
      offer(heap, ids, i, i + 1 < n ? i + 1 : -1);
    }
    int[] changed = new int[together ? 2 * n : 2]; // places whose right neighbour is new
    int changes = 0;
    int rank = -1;
    while (true) {
      if (!together || heap.isEmpty() || (int) (heap.peek() >>> 32) != rank) {
        while (changes > 0) {
          int at = changed[--changes];
          offer(heap, ids, at, ids[at] >= 0 && next[at] < n ? next[at] : -1);
        }
      }
      if (heap.isEmpty()) {
        break;
      }
      long best = heap.poll();
      rank = (int) (best >>> 32);
      int at = (int) best;
      int right = ids[at] < 0 ? n : next[at];
      if (right >= n) {
        continue;
      }
      // A candidate is out of date when its pair has changed; what counts is the pair there now.
      int slot = slot(key(ids[at], ids[right]));
      if (keys[slot] == FREE || ranks[slot] != rank) {
        continue;
      }
      ids[at] = joined[slot];
      ids[right] = -1;
      next[at] = next[right];
      if (next[at] < n) {
        previous[next[at]] = at;
        changed[changes++] = at;
      }
      if (previous[at] >= 0) {
        changed[changes++] = previous[at];
      }
    }
    int left = 0;
    for (int i = 0; i < n; i = next[i]) {
      ids[left++] = ids[i];
    }
    return left;
  }

  private void offer(LongHeap heap, int[] ids, int at, int right) {
    if (right < 0) {
      return;
    }
    int slot = slot(key(ids[at], ids[right]));
    if (keys[slot] != FREE) {
      heap.add(((long) ranks[slot] << 32) | at);
    }
  }
}
