package io.heddle.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.heddle.DataFolder;
import io.heddle.GoldenFolder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Against Hugging Face's library: tests/golden/make_tokenizers.py. */
class TokenizerJsonTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  private static List<JsonNode> rows() throws IOException {
    List<JsonNode> out = new ArrayList<>();
    for (String line : Files.readAllLines(GoldenFolder.of("text").resolve("tokenizers.jsonl"))) {
      out.add(JSON.readTree(line));
    }
    return out;
  }

  private static int[] ids(JsonNode array) {
    int[] out = new int[array.size()];
    Arrays.setAll(out, i -> array.get(i).asInt());
    return out;
  }

  @Test
  void agreesWithTheLibrary() throws IOException {
    List<String> different = new ArrayList<>();
    int checked = 0;
    for (JsonNode row : rows()) {
      TokenizerJson tokens = TokenizerJson.of(row.path("json"));
      for (JsonNode c : row.path("cases")) {
        String text = c.path("text").asText();
        String where = row.path("name").asText() + " '" + text + "' ";
        int[] expected = ids(c.path("ids"));
        compare(where, expected, tokens.encodeWithSpecials(text), different);
        if (Arrays.equals(tokens.encode(text), expected)) {
          compare(where + "[seq]", ids(c.path("sequence")), tokens.encodeSequence(text), different);
          compare(
              where + "[pair]", ids(c.path("pair")), tokens.encodePair(text, "a pair"), different);
        }
        compare(where + "[decode]", c.path("decoded").asText(), tokens.decode(expected), different);
        String without = tokens.decodeText(ids(c.path("sequence")));
        compare(where + "[decodeText]", c.path("text_only").asText(), without, different);
        checked++;
      }
    }
    assertEquals(List.of(), different);
    assertEquals(13 * 15, checked);
    System.out.println("tokenizer.json: 13 tokenizers agree on 15 texts each");
  }

  private static void compare(String where, int[] expected, int[] got, List<String> out) {
    compare(where, Arrays.toString(expected), Arrays.toString(got), out);
  }

  private static void compare(String where, String expected, String got, List<String> out) {
    if (!expected.equals(got)) {
      out.add("\n" + where + "\n  expected " + expected + "\n  but was  " + got);
    }
  }

  @Test
  void isReadAsItWasSaved(@TempDir Path folder) throws IOException {
    for (JsonNode row : rows()) {
      Path file = folder.resolve(TokenizerJson.FILE);
      Files.writeString(file, row.path("json").toString());
      Files.writeString(folder.resolve("tokenizer_config.json"), "{\"eos_token\": \"<unk>\"}");
      Tokenizer first = assertInstanceOf(TokenizerJson.class, Tokenizers.load(folder));
      Path other = folder.resolve("again");
      first.save(other);
      Tokenizer again = Tokenizers.load(other.resolve(TokenizerJson.FILE));
      String text = "The pattern of threads, 1804.";
      assertArrayEquals(first.encode(text), again.encode(text), row.path("name").asText());
      assertEquals(first.id("<unk>"), again.endOfText());
      assertEquals(first.vocabularySize(), again.vocabularySize());
    }
  }

  @Test
  void anythingElseIsNamed(@TempDir Path folder) throws IOException {
    JsonNode gpt2 = rows().getFirst().path("json");
    Path file = folder.resolve(TokenizerJson.FILE);
    for (Map.Entry<String, String> part :
        Map.of(
                "normalizer", "Nmt",
                "pre_tokenizer", "UnicodeScripts",
                "post_processor", "Odd",
                "decoder", "CTC",
                "model", "Neural")
            .entrySet()) {
      ObjectNode changed = gpt2.deepCopy();
      changed.withObject("/" + part.getKey()).put("type", part.getValue());
      Files.writeString(file, changed.toString());
      var bad = assertThrows(IllegalArgumentException.class, () -> TokenizerJson.load(file));
      String wanted =
          file + ": the " + part.getKey() + " '" + part.getValue() + "' is not supported";
      assertTrue(bad.toString().endsWith(wanted), bad.toString());
    }
  }

  /** GPT-2 and BERT as tokenizer.json give the ids of their own readers. */
  @Test
  void agreesWithTheOtherReaders() throws IOException {
    Path gpt2 = DataFolder.of("tok-gpt2");
    ByteLevelBpe bpe = ByteLevelBpe.load(gpt2);
    ObjectNode json = JSON.createObjectNode();
    json.putObject("pre_tokenizer").put("type", "ByteLevel").put("add_prefix_space", false);
    json.putObject("decoder").put("type", "ByteLevel");
    ObjectNode model = json.putObject("model").put("type", "BPE");
    ObjectNode vocab = model.putObject("vocab");
    for (int id = 0; id < bpe.vocabularySize(); id++) {
      vocab.put(bpe.token(id), id);
    }
    var merges = model.putArray("merges");
    bpe.merges().forEach(m -> merges.add(m[0] + " " + m[1]));
    TokenizerJson same = TokenizerJson.of(json);
    Path bert = DataFolder.of("tok-bert");
    WordPiece pieces = WordPiece.load(bert);
    ObjectNode other = JSON.createObjectNode();
    other.putObject("normalizer").put("type", "BertNormalizer").put("lowercase", true);
    other.putObject("pre_tokenizer").put("type", "BertPreTokenizer");
    other.putObject("decoder").put("type", "WordPiece");
    ObjectNode words = other.putObject("model").put("type", "WordPiece").putObject("vocab");
    for (int id = 0; id < pieces.vocabularySize(); id++) {
      words.put(pieces.token(id), id);
    }
    TokenizerJson alike = TokenizerJson.of(other);
    int lines = 0;
    for (Path folder : List.of(gpt2, bert)) {
      for (String line : TextFiles.lines(folder.resolve("multilingual.jsonl"))) {
        String text = JSON.readTree(line).path("text").asText();
        assertArrayEquals(bpe.encode(text), same.encode(text), text);
        assertEquals(bpe.decode(bpe.encode(text)), same.decode(same.encode(text)));
        assertArrayEquals(pieces.encode(text), alike.encode(text), text);
        assertEquals(pieces.decode(pieces.encode(text)), alike.decode(alike.encode(text)));
        lines++;
      }
    }
    assertEquals(84, lines);
  }

  @Test
  void byteLevelTokensAreBytes() throws IOException {
    TokenizerJson gpt2 = TokenizerJson.of(rows().getFirst().path("json"));
    int[] ids = gpt2.encode("🚀");
    assertEquals("🚀", gpt2.decode(ids));
    assertEquals(1, gpt2.decodeBytes(ids[0]).length);
    assertThrows(IllegalArgumentException.class, () -> gpt2.token(gpt2.vocabularySize()));
    assertEquals("</s>", gpt2.token(gpt2.endOfText().orElseThrow()));
    assertEquals(gpt2.id("<s>").orElseThrow(), gpt2.prompt("a")[0]);
  }
}
