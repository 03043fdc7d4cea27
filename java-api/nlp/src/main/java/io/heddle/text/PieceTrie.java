package io.heddle.text;

import java.util.Arrays;

/**
 * Pieces with a number each, found by walking a text character by character. The edges of the root,
 * where every walk begins, lie in a table by character, all others in one open hash table, so that
 * a large alphabet costs nothing.
 */
final class PieceTrie {
  /** The node to begin at. */
  static final int ROOT = 0;

  /** No such node, or no piece that ends at a node. */
  static final int NONE = -1;

  private static final long EMPTY = -1;

  private int[] first = {};
  private long[] keys = new long[1 << 10];
  private int[] children = new int[1 << 10];
  private int[] values = {NONE, NONE, NONE, NONE};
  private int nodes = 1;

  PieceTrie() {
    Arrays.fill(keys, EMPTY);
  }

  /** Adds a piece; the last number given for it counts. */
  void put(String piece, int value) {
    int node = ROOT;
    for (int i = 0; i < piece.length(); i++) {
      int next = child(node, piece.charAt(i));
      node = next == NONE ? add(node, piece.charAt(i)) : next;
    }
    values[node] = value;
  }

  private int add(int node, char c) {
    if (nodes == values.length) {
      values = Arrays.copyOf(values, 2 * nodes);
      Arrays.fill(values, nodes, 2 * nodes, NONE);
    }
    if (node == ROOT) {
      if (c >= first.length) {
        int known = first.length;
        first = Arrays.copyOf(first, Math.max(2 * known, c + 1));
        Arrays.fill(first, known, first.length, NONE);
      }
      first[c] = nodes;
      return nodes++;
    }
    if (2 * nodes >= keys.length) {
      grow();
    }
    int at = slot(key(node, c));
    keys[at] = key(node, c);
    children[at] = nodes;
    return nodes++;
  }

  private void grow() {
    long[] oldKeys = keys;
    int[] oldChildren = children;
    keys = new long[2 * oldKeys.length];
    children = new int[keys.length];
    Arrays.fill(keys, EMPTY);
    for (int i = 0; i < oldKeys.length; i++) {
      if (oldKeys[i] != EMPTY) {
        int at = slot(oldKeys[i]);
        keys[at] = oldKeys[i];
        children[at] = oldChildren[i];
      }
    }
  }

  private static long key(int node, char c) {
    return ((long) node << 16) | c;
  }

  // The entry of a key, or the empty one where it would be.
  private int slot(long key) {
    long mixed = key * 0x9E3779B97F4A7C15L;
    int at = (int) (mixed >>> 32) & (keys.length - 1);
    while (keys[at] != EMPTY && keys[at] != key) {
      at = (at + 1) & (keys.length - 1);
    }
    return at;
  }

  /** The node after one more character, or {@link #NONE}. */
  int child(int node, char c) {
    if (node == ROOT) {
      return c < first.length ? first[c] : NONE;
    }
    int at = slot(key(node, c));
    return keys[at] == EMPTY ? NONE : children[at];
  }

  /** The number of the piece that ends at a node, or {@link #NONE}. */
  int value(int node) {
    return values[node];
  }

  /** Length of the longest piece that begins at {@code from}, or 0. */
  int longest(String text, int from) {
    int length = 0;
    int node = ROOT;
    for (int at = from; at < text.length(); at++) {
      node = child(node, text.charAt(at));
      if (node == NONE) {
        break;
      }
      if (values[node] != NONE) {
        length = at + 1 - from;
      }
    }
    return length;
  }
}
