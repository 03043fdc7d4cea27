package io.heddle.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.data.PromptedText.Keys;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Documents, questions and answers as several data sets write them. */
class PromptedTextTest {
  @TempDir Path folder = Path.of("");

  private Path file(String... lines) throws IOException {
    return Files.writeString(folder.resolve("data.jsonl"), String.join("\n", lines) + "\n");
  }

  @Test
  void usualNames() throws IOException {
    Path file =
        file(
            "{\"document\": \"d\", \"summary\": \"s\"}",
            "{\"context\": \"c\", \"question\": \"q\", \"answers\": {\"text\": [\"a\", \"b\"]}}",
            "{\"text\": \"t\", \"query\": \"q\", \"answer\": [\"x\"], \"other\": 1}");
    assertEquals(
        List.of(
            new PromptedText("d", null, List.of("s")),
            new PromptedText("c", "q", List.of("a", "b")),
            new PromptedText("t", "q", List.of("x"))),
        PromptedText.read(file, Keys.USUAL, true));
  }

  @Test
  void namesThatAreGiven() throws IOException {
    Path file = file("{\"body\": \"d\", \"ask\": \"q\", \"text\": \"no\", \"gist\": \"s\"}");
    assertEquals(
        List.of(new PromptedText("d", "q", List.of("s"))),
        PromptedText.read(file, new Keys("body", "ask", "gist"), true));
    String message = message(file, new Keys("boddy", "", ""));
    assertTrue(message.contains("no key 'boddy' (--document-key)"), message);
  }

  @Test
  void withoutTargets() throws IOException {
    Path file = file("{\"document\": \"d\"}");
    assertEquals(
        List.of(new PromptedText("d", null, List.of())),
        PromptedText.read(file, Keys.USUAL, false));
    String message = message(file, Keys.USUAL);
    assertTrue(message.contains("--target-key"), message);
    assertTrue(message(file(""), Keys.USUAL).contains("has no examples"));
    file = file("{\"document\": 5, \"summary\": \"s\"}");
    assertTrue(message(file, Keys.USUAL).contains("key 'document' is no text"));
    file = file("{\"document\": \"d\", \"answers\": []}");
    assertTrue(message(file, Keys.USUAL).contains("no text in key 'answers'"));
  }

  // File and line stand before what is wrong.
  private static String message(Path file, Keys keys) {
    Exception e = assertThrows(Exception.class, () -> PromptedText.read(file, keys, true));
    return String.valueOf(e.getMessage());
  }
}
