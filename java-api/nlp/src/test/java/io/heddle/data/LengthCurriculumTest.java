package io.heddle.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.function.LongFunction;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Rows become longer at the steps that were asked for, and steps keep their tokens. */
class LengthCurriculumTest {
  private static final int[] TOKENS = IntStream.range(0, 1000).toArray();

  @Test
  void lengthsByStep() {
    LengthCurriculum curriculum = LengthCurriculum.parse("8@0, 16@5,64@6");
    assertEquals("8@0,16@5,64@6", curriculum.toString());
    int[] lengths = IntStream.range(0, 8).map(curriculum::length).toArray();
    assertArrayEquals(new int[] {8, 8, 8, 8, 8, 16, 64, 64}, lengths);
    assertEquals(64, curriculum.longest());
    assertEquals("5@0", LengthCurriculum.constant(5).toString());
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 3})
  void batchesKeepTheirTokens(int accumulation) {
    LengthCurriculum curriculum = LengthCurriculum.parse("8@0,16@5,64@6");
    LongFunction<TokenBatch> batches = curriculum.batches(TOKENS, 128, accumulation, 7);
    for (long number = 0; number < 8L * accumulation; number++) {
      TokenBatch batch = batches.apply(number);
      int length = curriculum.length(number / accumulation);
      assertEquals(128, batch.ids().length);
      assertEquals(128 / length, batch.rows());
      for (int i = 0; i < 128; i++) {
        assertEquals(batch.ids()[i / length * length] + i % length, batch.ids()[i]);
        assertEquals(batch.ids()[i] + 1, batch.targets()[i]);
      }
    }
  }

  // What resuming goes by.
  @Test
  void aBatchDependsOnItsNumberAlone() {
    LengthCurriculum curriculum = LengthCurriculum.parse("8@0,16@4");
    LongFunction<TokenBatch> forth = curriculum.batches(TOKENS, 32, 2, 7);
    int[][] seen = new int[40][];
    for (int i = 0; i < seen.length; i++) {
      seen[i] = forth.apply(i).ids();
    }
    LongFunction<TokenBatch> back = curriculum.batches(TOKENS, 32, 2, 7);
    for (int i = seen.length - 1; i >= 0; i--) {
      assertArrayEquals(seen[i], back.apply(i).ids(), "batch " + i);
    }
    LongFunction<TokenBatch> other = curriculum.batches(TOKENS, 32, 2, 8);
    assertFalse(Arrays.equals(seen[9], other.apply(9).ids()));
  }

  @Test
  void oneLengthIsThePlainRun() {
    LongFunction<TokenBatch> batches = LengthCurriculum.constant(16).batches(TOKENS, 48, 1, 7);
    PackedTokens plain = new PackedTokens(TOKENS, 16, 3, 7);
    for (long number = 0; number < 50; number++) {
      assertArrayEquals(plain.batch(number).ids(), batches.apply(number).ids());
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"", "8", "8@5", "8@0,16@0", "8@0,16@9,32@3", "0@0", "8@0,", "x@0", "8@-1"})
  void whatIsNoCurriculum(String text) {
    assertThrows(IllegalArgumentException.class, () -> LengthCurriculum.parse(text));
  }

  @Test
  void rowsThatDoNotMakeUpABatch() {
    LengthCurriculum curriculum = LengthCurriculum.parse("8@0,48@4");
    IllegalArgumentException e =
        assertThrows(IllegalArgumentException.class, () -> curriculum.batches(TOKENS, 128, 1, 7));
    assertTrue(String.valueOf(e.getMessage()).contains("rows of 48 tokens"), e.getMessage());
  }
}
