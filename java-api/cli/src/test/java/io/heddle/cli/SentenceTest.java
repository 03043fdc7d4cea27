package io.heddle.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.NoSuchFileException;
import org.junit.jupiter.api.Test;

class SentenceTest {
  @Test
  void fileErrorsBecomeWords() {
    assertEquals("there is no file 'a'", Sentence.of(new NoSuchFileException("a")));
    assertEquals(
        "permission to access 'a' is denied",
        Sentence.of(new UncheckedIOException(new AccessDeniedException("a"))));
  }

  @Test
  void everyErrorIsOneLine() {
    assertEquals("first; second", Sentence.of(new IOException("first\n  second\n")));
    assertEquals("IllegalStateException", Sentence.of(new IllegalStateException()));
    assertEquals(
        "cannot start",
        Sentence.of(new ExceptionInInitializerError(new IOException("cannot start"))));
  }
}
