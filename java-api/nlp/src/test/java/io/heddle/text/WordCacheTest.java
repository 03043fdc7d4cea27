package io.heddle.text;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertSame;

import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Whatever is in the table, a word gets what it becomes. */
class WordCacheTest {
  private static final int WORDS = 300_000; // more than there is room for

  @Test
  void everyWordGetsItsOwn() {
    WordCache<String> cache = new WordCache<>(word -> "<" + word + ">");
    for (int round = 0; round < 2; round++) {
      for (int i = 0; i < WORDS; i++) {
        String text = "a" + i * 7919L + " é" + i;
        int space = text.indexOf(' ');
        assertEquals("<" + text.substring(0, space) + ">", cache.get(text, 0, space));
        assertEquals("< é" + i + ">", cache.get(text, space, text.length()));
      }
    }
    assertEquals("<>", cache.get("ab", 1, 1));
  }

  @Test
  void wordsAreKeptAndLongOnesAreNot() {
    WordCache<Object> cache = new WordCache<>(word -> new Object());
    Object word = cache.get("some word", 5, 9);
    assertSame(word, cache.get("a word", 2, 6));
    String text = "long".repeat(30);
    assertNotSame(cache.get(text, 0, text.length()), cache.get(text, 0, text.length()));
  }

  @Test
  void manyThreadsGetTheirs() {
    WordCache<String> cache = new WordCache<>(word -> "<" + word + ">");
    List<String> wrong =
        IntStream.range(0, WORDS)
            .parallel()
            .mapToObj(i -> "w" + i % 997 * 31)
            .filter(text -> !cache.get(text, 0, text.length()).equals("<" + text + ">"))
            .toList();
    assertEquals(List.of(), wrong);
  }
}
