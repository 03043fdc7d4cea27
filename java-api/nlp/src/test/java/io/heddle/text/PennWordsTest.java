package io.heddle.text;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.heddle.GoldenFolder;
import java.io.IOException;
import java.nio.file.Files;
import java.util.List;
import org.junit.jupiter.api.Test;

class PennWordsTest {
  /** NLTK's words: tests/golden/make_words.py. */
  @Test
  void agreesWithNltk() throws IOException {
    ObjectMapper json = new ObjectMapper();
    List<String> lines = Files.readAllLines(GoldenFolder.of("text").resolve("penn.jsonl"));
    for (String line : lines) {
      JsonNode row = json.readTree(line);
      List<String> words = PennWords.of(row.path("text").asText());
      assertEquals(row.path("words").toString(), json.valueToTree(words).toString(), line);
    }
    assertEquals(23, lines.size());
  }
}
