package io.heddle.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.heddle.DataFolder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class WordPieceTest {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final BertWords UNCASED = new BertWords(true, true, true);

  private static int[] ints(JsonNode array) {
    return StreamSupport.stream(array.spliterator(), false).mapToInt(JsonNode::asInt).toArray();
  }

  private static List<String> strings(JsonNode array) {
    return StreamSupport.stream(array.spliterator(), false).map(JsonNode::asText).toList();
  }

  private static WordPiece small(String... pieces) {
    return new WordPiece(
        java.util.stream.Stream.concat(WordPiece.SPECIALS.stream(), List.of(pieces).stream())
            .toList(),
        UNCASED);
  }

  private static List<String> pieces(WordPiece tokens, String text) {
    return IntStream.of(tokens.encode(text)).mapToObj(tokens::token).toList();
  }

  // Questions of SQuAD as BERT's own Python code cuts them.
  @Test
  void stretchesBetweenSpacesAreCutByThemselves() {
    SplittableRandom random = new SplittableRandom(1);
    int[] some = {' ', '\t', '\n', 'A', 'z', '.', 'É', 0x301, 0x85, 0xA0, 0x3000, '生', 0x1F600, 0};
    for (int round = 0; round < 2000; round++) {
      StringBuilder text = new StringBuilder();
      for (int i = random.nextInt(30); i > 0; i--) {
        text.appendCodePoint(some[random.nextInt(some.length)]);
      }
      String whole = text.toString();
      List<String> words = new ArrayList<>();
      for (int from = BertWords.begin(whole, 0); from < whole.length(); ) {
        int end = BertWords.end(whole, from);
        words.addAll(UNCASED.split(whole.substring(from, end)));
        from = BertWords.begin(whole, end);
      }
      assertEquals(UNCASED.split(whole), words, whole);
    }
  }

  @Test
  void agreesWithBertOnQuestions() throws IOException {
    Path folder = DataFolder.of("tok-bert");
    WordPiece bert = WordPiece.load(folder);
    assertEquals(30522, bert.vocabularySize());
    int cases = 0;
    for (String line : TextFiles.lines(folder.resolve("questions.jsonl.gz"))) {
      JsonNode c = JSON.readTree(line);
      String text = c.path("text").asText();
      assertEquals(strings(c.path("basic")), UNCASED.split(text), text);
      assertEquals(strings(c.path("wordpiece")), pieces(bert, text), text);
      assertArrayEquals(ints(c.path("ids")), bert.encode(text), text);
      cases++;
    }
    assertEquals(6000, cases);
    System.out.println("tok-bert: " + cases + " questions agree");
  }

  @Test
  void agreesWithBertOnManyScripts() throws IOException {
    Path folder = DataFolder.of("tok-bert");
    WordPiece bert = WordPiece.load(folder.resolve("vocab.txt"));
    int cases = 0;
    for (JsonNode c : JSON.readTree(folder.resolve("cases.json").toFile())) {
      String text = c.path("input").asText();
      int[] ids = bert.encodeSequence(text);
      assertArrayEquals(ints(c.path("encoded").path("input_ids")), ids, text);
      assertEquals(c.path("decoded_with_special").asText(), bert.decode(ids));
      cases++;
    }
    for (String line : TextFiles.lines(folder.resolve("multilingual.jsonl"))) {
      JsonNode c = JSON.readTree(line);
      String text = c.path("text").asText();
      int[] ids = bert.encodeSequence(text);
      assertArrayEquals(ints(c.path("input_ids")), ids, text);
      assertEquals(strings(c.path("tokens")), IntStream.of(ids).mapToObj(bert::token).toList());
      assertEquals(c.path("decoded_with_special").asText(), bert.decode(ids));
      assertEquals(c.path("decoded_skip_special").asText(), bert.decodeText(ids));
      cases++;
    }
    JsonNode french = JSON.readTree(folder.resolve("encoded.json").toFile());
    assertArrayEquals(
        ints(french.path("token_ids")), bert.encodeSequence(french.path("text").asText()));
    assertEquals(60, cases);
    System.out.println("tok-bert: " + (cases + 1) + " texts agree");
  }

  @Test
  void cutsWordsAsBert() {
    assertEquals(List.of("ca", "fe", "!", "?"), UNCASED.split(" C\u00C1\u0000\tf\u200d\u00E9!?"));
    assertEquals(List.of("生", "活", "a", "的"), UNCASED.split("生活a的"));
    assertEquals(List.of("$", "1", "^", "`", "€4"), UNCASED.split("$1^`€4"));
    assertEquals(List.of("ος", ",", "i"), UNCASED.split("\u039FΣ, \u0130"));
    assertEquals(List.of("É"), new BertWords(false, false, true).split("É"));
    assertEquals(List.of("é"), new BertWords(true, false, true).split("É"));
    assertEquals(List.of("生活"), new BertWords(true, true, false).split("生活"));
    assertEquals(List.of("ab"), UNCASED.split("a\uD800b"));
  }

  @Test
  void longestPieceFirst() {
    WordPiece tokens = small("un", "##aff", "##able", "##a", "una", "a");
    assertEquals(List.of("una", "[UNK]"), pieces(tokens, "Una unaffable"));
    assertEquals(List.of("una", "##aff", "##able"), pieces(tokens, "unaaffable"));
    assertEquals("una unaaffable", tokens.decode(tokens.encode("una unaaffable")));
    assertEquals(0, tokens.encode(" \t").length);
  }

  @Test
  void wordsOfMoreThanHundredCharactersAreUnknown() {
    WordPiece tokens = small("\uD835\uDD4F", "##\uD835\uDD4F", "b");
    String one = "\uD835\uDD4F";
    assertEquals(100, tokens.encode(one.repeat(100)).length);
    assertEquals(List.of("[UNK]"), pieces(tokens, one.repeat(101)));
    String huge = "b".repeat(2_000_000);
    assertTimeoutPreemptively(
        Duration.ofSeconds(10), () -> assertEquals(List.of("[UNK]"), pieces(tokens, huge)));
  }

  @Test
  void sequencesAndPairs() {
    WordPiece tokens = small("a", "b");
    assertArrayEquals(new int[] {2, 5, 3}, tokens.encodeSequence("a"));
    assertArrayEquals(new int[] {2, 5, 3, 6, 3}, tokens.encodePair("a", "b"));
    assertEquals("a b", tokens.decodeText(2, 5, 3, 6, 3));
    assertEquals(3, tokens.endOfText().orElseThrow());
  }

  @Test
  void capitalsInTheVocabularyKeepCase(@TempDir Path folder) throws IOException {
    Files.writeString(
        folder.resolve("vocab.txt"), "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nCaf\u00e9\n");
    WordPiece cased = WordPiece.load(folder);
    assertEquals(List.of("Caf\u00e9"), pieces(cased, "Caf\u00e9"));
    Path config = folder.resolve("tokenizer_config.json");
    Files.writeString(config, "{\"do_lower_case\": true}");
    assertEquals(List.of("[UNK]"), pieces(WordPiece.load(folder), "Caf\u00e9"));
  }

  @Test
  void savesAndLoads(@TempDir Path folder) throws IOException {
    WordPiece tokens =
        new WordPiece(
            List.of("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "\u00e9a", "##\u0085", "\u2028"),
            new BertWords(true, false, true));
    tokens.save(folder);
    WordPiece back = WordPiece.load(folder);
    assertEquals(8, back.vocabularySize());
    assertEquals("##\u0085", back.token(6));
    assertArrayEquals(new int[] {5}, back.encode("\u00c9A"));
  }

  @Test
  void badInputIsNamed(@TempDir Path folder) throws IOException {
    Path vocab = folder.resolve("vocab.txt");
    Files.writeString(vocab, "a\nb\n");
    var lacks = assertThrows(IllegalArgumentException.class, () -> WordPiece.load(vocab));
    assertTrue(lacks.toString().contains("[UNK]") && lacks.toString().contains("vocab.txt"));
    assertThrows(IllegalArgumentException.class, () -> small().decode(99));
  }
}
