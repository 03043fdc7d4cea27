package io.heddle.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.DataFolder;
import io.heddle.data.Document;
import io.heddle.data.Texts;
import io.heddle.progress.ProgressListener;
import java.io.IOException;
import java.util.List;
import org.junit.jupiter.api.Test;

class BpeTrainerTest {
  private static List<String> merges(ByteLevelBpe bpe) {
    return bpe.merges().stream().map(m -> m[0] + " " + m[1]).toList();
  }

  // By hand. Words: "hug" 10, "pug" 5, "pun" 12, "bun" 4, "hugs" 5 (each its own text).
  // Pairs: ug 20, un 16, pu 17, hu 15, gs 5, bu 4. Then: un 16, hug 15, pug 5, ... ; then hug 15
  // and
  // pun 12; then "p ug" 5 beats "hug s" 5 because p has a lower id than hug.
  @Test
  void smallCaseByHand() {
    BpeTrainer trainer = new BpeTrainer(257 + 6, ProgressListener.NONE);
    add(trainer, "hug", 10);
    add(trainer, "pug", 5);
    add(trainer, "pun", 12);
    add(trainer, "bun", 4);
    add(trainer, "hugs", 5);
    ByteLevelBpe bpe = trainer.train();
    assertEquals(List.of("u g", "u n", "h ug", "p un", "p ug", "hug s"), merges(bpe));
    assertEquals("<|endoftext|>", bpe.token(0));
    assertEquals("!", bpe.token(1));
    assertEquals("ug", bpe.token(257));
    assertArrayEquals(new int[] {262}, bpe.encode("hugs"));
  }

  private static void add(BpeTrainer trainer, String word, int times) {
    trainer.addAll(java.util.Collections.nCopies(times, word));
  }

  // "aaaa" holds aa three times but is joined from the left; equal counts go to lower ids.
  @Test
  void overlapsAndTies() {
    BpeTrainer trainer = new BpeTrainer(257 + 3, ProgressListener.NONE);
    add(trainer, "aaaa", 3);
    add(trainer, "dc", 9);
    add(trainer, "cd", 9);
    assertEquals(List.of("a a", "c d", "d c"), merges(trainer.train()));
  }

  @Test
  void stopsWhenNothingRepeats() {
    ByteLevelBpe bpe = new BpeTrainer(1000, ProgressListener.NONE).add("abc abc").train();
    assertTrue(bpe.vocabularySize() < 262, bpe.vocabularySize() + " pieces");
    assertThrows(IllegalArgumentException.class, () -> new BpeTrainer(256, ProgressListener.NONE));
  }

  @Test
  void withoutSpecialTokens() {
    ByteLevelBpe bpe = new BpeTrainer(256, List.of(), ProgressListener.NONE).add("abab").train();
    assertEquals(256, bpe.vocabularySize());
    assertTrue(bpe.endOfText().isEmpty());
    assertArrayEquals(new int[0], bpe.prompt(""));
  }

  @Test
  void orderOfTextsDoesNotMatter() {
    List<String> texts =
        List.of("one two three", "two three four", "three four five", "four 5 six");
    ByteLevelBpe forth = new BpeTrainer(280, ProgressListener.NONE).addAll(texts).train();
    ByteLevelBpe back = new BpeTrainer(280, ProgressListener.NONE).addAll(texts.reversed()).train();
    assertEquals(merges(forth), merges(back));
  }

  // First and last merges and a digest as Hugging Face's trainer gives them (tokenizers 0.23).
  @Test
  void novels() throws IOException {
    BpeTrainer trainer = new BpeTrainer(4096, ProgressListener.NONE);
    for (Document book : Texts.read(DataFolder.of("lm-books"))) {
      trainer.add(book.text());
    }
    ByteLevelBpe bpe = trainer.train();
    assertEquals(4096, bpe.vocabularySize());
    List<String> merges = merges(bpe);
    assertEquals(List.of("Ġ t", "h e", "Ġ a"), merges.subList(0, 3));
    assertEquals(-1446931568, String.join("\n", merges).hashCode());
  }
}
