package io.heddle.metrics;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.List;
import org.junit.jupiter.api.Test;

/** Chunks by hand, in the four ways of writing tags. */
class ChunksTest {
  private static List<String> tags(String line) {
    return List.of(line.split(" "));
  }

  private static Chunks.Score score(String targets, String predictions) {
    return new Chunks().add(tags(targets), tags(predictions)).score();
  }

  @Test
  void everySchemeReadsAlike() {
    // Two names of persons side by side, then a place of one word.
    String iob2 = "B-PER I-PER B-PER O B-LOC";
    for (String same :
        List.of(
            "I-PER I-PER B-PER O I-LOC", // IOB1
            "I-PER E-PER E-PER O E-LOC", // IOE2
            "B-PER E-PER S-PER O S-LOC", // IOBES
            iob2)) {
      Chunks.Score score = score(iob2, same);
      assertEquals(3, score.chunks(), same);
      assertEquals(1, score.f1(), 0, same);
    }
  }

  @Test
  void aChunkIsRightAsAWholeOrNotAtAll() {
    Chunks.Score score = score("B-PER I-PER O B-LOC O B-ORG", "B-PER O O B-LOC B-LOC B-PER");
    // Of four predicted chunks (PER, LOC, LOC, PER) one is right; there are three.
    assertEquals(0.25, score.precision(), 1e-12);
    assertEquals(1.0 / 3, score.recall(), 1e-12);
    assertEquals(2.0 / 7, score.f1(), 1e-12);
  }

  @Test
  void anotherTypeBeginsAnotherChunk() {
    assertEquals(2, score("I-PER I-LOC", "O O").chunks());
    assertEquals(0, score("O O", "O O").f1());
    assertEquals(1, score("B-VP-X I-VP-X", "B-VP-X I-VP-X").f1());
  }

  @Test
  void lengthsMustAgree() {
    Chunks chunks = new Chunks();
    assertThrows(IllegalArgumentException.class, () -> chunks.add(List.of("O"), List.of()));
  }
}
