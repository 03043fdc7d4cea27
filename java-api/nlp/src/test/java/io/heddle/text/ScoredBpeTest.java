package io.heddle.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.heddle.DataFolder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ScoredBpeTest {
  private static int[] ints(JsonNode array) {
    return StreamSupport.stream(array.spliterator(), false).mapToInt(JsonNode::asInt).toArray();
  }

  @Test
  void agreesWithLlama2c(@TempDir Path copy) throws IOException {
    Path folder = DataFolder.of("tiny-model-stories260k");
    ScoredBpe read = ScoredBpe.load(folder.resolve("tok512.bin"));
    read.save(copy);
    Tokenizer bpe = Tokenizers.load(copy);
    assertEquals(512, bpe.vocabularySize());
    int cases = 0;
    for (String line : Files.readAllLines(folder.resolve("cases.jsonl"))) {
      JsonNode c = new ObjectMapper().readTree(line);
      String prompt = c.path("prompt").asText();
      int[] ids = ints(c.path("prompt_ids"));
      assertArrayEquals(ids, bpe.prompt(prompt), prompt);
      assertArrayEquals(Arrays.copyOfRange(ids, 1, ids.length), bpe.encode(prompt));
      assertEquals(prompt, bpe.decode(ids));
      assertEquals(c.path("greedy_text").asText(), bpe.decode(ints(c.path("greedy_ids"))));
      cases++;
    }
    assertEquals(6, cases);
    for (String text : new String[] {"日本 \uD83D\uDE00\n\t", "  two  spaces ", "<s></s><0x41>"}) {
      assertEquals(text, bpe.decode(bpe.prompt(text)));
    }
    assertEquals("a\uFFFD", bpe.decode(bpe.prompt("a\uD800")));
    String story = "Once upon a time there was a cat. ".repeat(200).strip();
    assertEquals(story, bpe.decode(bpe.prompt(story)));
    assertThrows(IllegalArgumentException.class, () -> bpe.decode(512));
  }

  @Test
  void badFilesAreNamed(@TempDir Path folder) throws IOException {
    Path file = Files.write(folder.resolve("tokenizer.bin"), new byte[] {1, 2, 3});
    var refused = assertThrows(IllegalArgumentException.class, () -> Tokenizers.load(folder));
    assertTrue(refused.toString().contains(file.toString()), refused.toString());
  }
}
