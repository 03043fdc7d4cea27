package io.heddle.metrics;

import java.util.Arrays;

/**
 * Edit distances from word sequences of one length to a reference, within a band of cells round the
 * diagonal, as tercom walks them. Rows that a sequence shares with the one before it are kept.
 */
final class EditTable {
  static final byte SAME = 0;
  static final byte REPLACE = 1;
  static final byte DELETE = 2;
  static final byte INSERT = 3;
  private static final byte OUTSIDE = 4;
  private static final int BAND = 25;
  private static final int FAR = 1 << 29;

  private final int[] reference;
  private final int[][] costs;
  private final byte[][] steps;
  private final double slope;
  private final int band;
  private int[] words = {};
  private int valid;

  EditTable(int[] reference, int length) {
    this.reference = reference;
    this.costs = new int[length + 1][reference.length + 1];
    this.steps = new byte[length + 1][reference.length + 1];
    this.slope = length == 0 ? 1 : (double) reference.length / length;
    this.band = BAND < slope / 2 ? (int) Math.ceil(slope / 2 + BAND) : BAND;
    for (int j = 0; j <= reference.length; j++) {
      costs[0][j] = j;
      steps[0][j] = INSERT;
    }
  }

  /** Edits that turn {@code sequence} into the reference. */
  int distance(int[] sequence) {
    int same = Arrays.mismatch(words, sequence);
    int from = same < 0 ? valid : Math.min(valid, same);
    for (int i = from + 1; i <= sequence.length; i++) {
      row(i, sequence[i - 1], i == sequence.length);
    }
    words = sequence.clone();
    valid = sequence.length;
    return costs[sequence.length][reference.length];
  }

  private void row(int i, int word, boolean last) {
    int[] above = costs[i - 1];
    int[] row = costs[i];
    byte[] step = steps[i];
    Arrays.fill(row, FAR);
    Arrays.fill(step, OUTSIDE);
    int diagonal = (int) Math.floor(i * slope);
    int end = last ? reference.length + 1 : Math.min(reference.length + 1, diagonal + band);
    for (int j = Math.max(0, diagonal - band); j < end; j++) {
      if (j > 0) {
        boolean same = word == reference[j - 1];
        set(row, step, j, above[j - 1] + (same ? 0 : 1), same ? SAME : REPLACE);
      }
      set(row, step, j, above[j] + 1, DELETE);
      if (j > 0) {
        set(row, step, j, row[j - 1] + 1, INSERT);
      }
    }
  }

  private static void set(int[] row, byte[] step, int j, int cost, byte with) {
    if (cost < row[j]) {
      row[j] = cost;
      step[j] = with;
    }
  }

  /** The steps of the last sequence measured, from first to last. */
  byte[] steps() {
    int i = words.length;
    int j = reference.length;
    byte[] out = new byte[i + j];
    int at = out.length;
    while (i > 0 || j > 0) {
      byte step = steps[i][j];
      out[--at] = step;
      i -= step == INSERT ? 0 : 1;
      j -= step == DELETE ? 0 : 1;
    }
    return Arrays.copyOfRange(out, at, out.length);
  }
}
