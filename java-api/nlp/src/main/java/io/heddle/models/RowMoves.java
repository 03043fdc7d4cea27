package io.heddle.models;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Which rows of a cache to copy where, so that row i then holds what row {@code parents[i]} held.
 * Rows that began alike share their first columns, and only what differs is copied. Columns know
 * who wrote them: two rows hold the same in a column if and only if the stamps are equal.
 */
final class RowMoves {
  private final long[][] stamps; // [rows][columns]
  private long last;

  /** Columns {@code from} to the end of row {@code source} go to row {@code target}. */
  record Move(int source, int target, int from) {}

  RowMoves(int rows, int columns) {
    stamps = new long[rows][columns];
  }

  /**
   * Notes that the rows up to {@code rows} were written in these columns, each by its own token.
   */
  void written(int rows, int from, int to) {
    for (int i = 0; i < rows; i++) {
      Arrays.fill(stamps[i], from, to, ++last);
    }
  }

  /**
   * The copies to make, one after the other.
   *
   * @param parents for each new row the row it continues
   * @param length columns in use
   * @param spare a row beyond all others, which serves when rows change places in a circle
   */
  List<Move> plan(int[] parents, int length, int spare) {
    int[] parent = parents.clone();
    int[] from = new int[parents.length];
    int[] readers = new int[stamps.length];
    boolean[] pending = new boolean[stamps.length];
    int left = 0;
    for (int i = 0; i < parents.length; i++) {
      from[i] = difference(stamps[i], stamps[parents[i]], length);
      if (from[i] < length) {
        pending[i] = true;
        readers[parents[i]]++;
        left++;
      }
    }
    ArrayDeque<Integer> free = new ArrayDeque<>();
    for (int i = 0; i < parents.length; i++) {
      if (pending[i] && readers[i] == 0) {
        free.add(i);
      }
    }
    List<Move> out = new ArrayList<>();
    while (left > 0) {
      if (free.isEmpty()) {
        // Every row left is still to be read by exactly one other: save one of them.
        int saved = first(pending);
        int reader = reader(pending, parent, saved);
        out.add(new Move(saved, spare, from[reader]));
        parent[reader] = spare;
        readers[saved] = 0;
        free.add(saved);
      }
      int i = free.remove();
      out.add(new Move(parent[i], i, from[i]));
      pending[i] = false;
      left--;
      if (parent[i] != spare && --readers[parent[i]] == 0 && pending[parent[i]]) {
        free.add(parent[i]);
      }
    }
    restamp(parents);
    return out;
  }

  private static int difference(long[] a, long[] b, int length) {
    int found = Arrays.mismatch(a, 0, length, b, 0, length);
    return found < 0 ? length : found;
  }

  private static int first(boolean[] pending) {
    int i = 0;
    while (!pending[i]) {
      i++;
    }
    return i;
  }

  private static int reader(boolean[] pending, int[] parent, int of) {
    int i = 0;
    while (!pending[i] || parent[i] != of) {
      i++;
    }
    return i;
  }

  private void restamp(int[] parents) {
    long[][] old = new long[parents.length][];
    for (int i = 0; i < parents.length; i++) {
      old[i] = stamps[parents[i]].clone();
    }
    System.arraycopy(old, 0, stamps, 0, old.length);
  }
}
