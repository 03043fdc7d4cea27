package io.heddle.models;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** Rows that change places, simulated cell by cell. */
class RowMovesTest {
  @Test
  void randomFamilyTrees() {
    Random random = new Random(2);
    int rows = 7;
    int columns = 40;
    for (int round = 0; round < 300; round++) {
      long[][] cells = new long[rows + 1][columns];
      RowMoves moves = new RowMoves(rows + 1, columns);
      int active = 1 + random.nextInt(rows);
      int length = 0;
      while (length < columns) {
        int count = Math.min(1 + random.nextInt(4), columns - length);
        for (int r = 0; r < active; r++) {
          for (int c = length; c < length + count; c++) {
            cells[r][c] = random.nextLong();
          }
        }
        moves.written(active, length, length + count);
        length += count;
        int before = active;
        int[] parents = new int[1 + random.nextInt(rows)];
        Arrays.setAll(parents, i -> random.nextInt(before));
        long[][] wanted = new long[parents.length][];
        for (int i = 0; i < parents.length; i++) {
          wanted[i] = cells[parents[i]].clone();
        }
        for (RowMoves.Move m : moves.plan(parents, length, rows)) {
          System.arraycopy(
              cells[m.source()], m.from(), cells[m.target()], m.from(), length - m.from());
        }
        active = parents.length;
        for (int i = 0; i < active; i++) {
          assertArrayEquals(
              Arrays.copyOf(wanted[i], length), Arrays.copyOf(cells[i], length), "row " + i);
        }
      }
    }
  }

  @Test
  void onlyWhatDiffersIsCopied() {
    RowMoves moves = new RowMoves(4, 10);
    moves.written(1, 0, 5);
    // A prompt spreads to three rows.
    assertEquals(
        List.of(new RowMoves.Move(0, 1, 0), new RowMoves.Move(0, 2, 0)),
        moves.plan(new int[] {0, 0, 0}, 5, 3));
    moves.written(3, 5, 6);
    moves.written(3, 6, 7);
    assertEquals(List.of(), moves.plan(new int[] {0, 1, 2}, 7, 3));
    // The prompt is there already.
    assertEquals(List.of(new RowMoves.Move(1, 2, 5)), moves.plan(new int[] {0, 1, 1}, 7, 3));
    assertEquals(List.of(), moves.plan(new int[] {0, 2, 1}, 7, 3)); // rows 1 and 2 are twins
    // Rows 0 and 1 change places by way of row 3.
    assertEquals(
        List.of(new RowMoves.Move(0, 3, 5), new RowMoves.Move(1, 0, 5), new RowMoves.Move(3, 1, 5)),
        moves.plan(new int[] {1, 0, 2}, 7, 3));
  }
}
