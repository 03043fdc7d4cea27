package io.heddle.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class VariablePiecesTest {
  private static final int[] CORPUS = IntStream.range(0, 20_001).toArray();

  @Test
  void anEpochReadsEveryTextOnceInOrder() {
    VariablePieces pieces = new VariablePieces(CORPUS, 2, 70, 3);
    long count = pieces.count(1);
    int next = 0;
    for (long i = 0; i < count; i++) {
      VariablePieces.Piece piece = pieces.piece(i);
      assertEquals(i == 0, piece.first());
      BpttBatch tokens = piece.tokens();
      for (int t = 0; t < tokens.steps(); t++, next++) {
        assertEquals(next, tokens.data()[2 * t]);
        assertEquals(10_000 + next, tokens.data()[2 * t + 1]);
        assertEquals(next + 1, tokens.target()[2 * t]);
      }
    }
    assertEquals(9_999, next);
    assertTrue(pieces.piece(count).first());
  }

  @Test
  void lengthsVaryAndAreThoseOfTheSeed() {
    VariablePieces pieces = new VariablePieces(CORPUS, 1, 70, 3);
    int[] lengths =
        IntStream.range(0, (int) pieces.count(1) - 1)
            .map(i -> pieces.piece(i).tokens().steps())
            .toArray();
    assertEquals(68, Arrays.stream(lengths).average().orElseThrow(), 4);
    assertTrue(Arrays.stream(lengths).distinct().count() > 10);
    assertTrue(Arrays.stream(lengths).min().orElse(0) >= 5);
    // In any order of asking.
    VariablePieces again = new VariablePieces(CORPUS, 1, 70, 3);
    assertArrayEquals(again.piece(500).tokens().data(), pieces.piece(500).tokens().data());
    VariablePieces other = new VariablePieces(CORPUS, 1, 70, 4);
    assertNotEquals(
        pieces.piece(0).tokens().steps() + pieces.piece(1).tokens().steps() * 100,
        other.piece(0).tokens().steps() + other.piece(1).tokens().steps() * 100);
  }

  @Test
  void tooFewTokensAreRefused() {
    assertThrows(
        IllegalArgumentException.class, () -> new VariablePieces(new int[] {1, 2, 3}, 2, 70, 1));
  }
}
