package io.heddle.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.heddle.DataFolder;
import io.heddle.progress.ProgressListener;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ByteLevelBpeTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  private static int[] ints(JsonNode array) {
    return StreamSupport.stream(array.spliterator(), false).mapToInt(JsonNode::asInt).toArray();
  }

  private static ByteLevelBpe small() {
    return new BpeTrainer(300, ProgressListener.NONE)
        .add("the cat sat on the mat and the rat that sat there ate the hat ".repeat(3))
        .train();
  }

  private static List<String> words(String text) {
    List<String> out = new ArrayList<>();
    for (int from = 0; from < text.length(); ) {
      int end = WordScanner.next(text, from);
      out.add(text.substring(from, end));
      from = end;
    }
    return out;
  }

  // Expected outputs of Hugging Face's implementation; its decoded texts have spaces before
  // punctuation cleaned up, so what must come back is the text that went in.
  @Test
  void agreesWithGpt2() throws IOException {
    Path folder = DataFolder.of("tok-gpt2");
    ByteLevelBpe gpt2 = ByteLevelBpe.load(folder);
    assertEquals(50257, gpt2.vocabularySize());
    assertEquals(50256, gpt2.endOfText().orElseThrow());
    assertEquals("[<|endoftext|>]", gpt2.specials().toString());

    int cases = 0;
    for (JsonNode c : JSON.readTree(folder.resolve("cases.json").toFile())) {
      cases++;
      int[] expected = ints(c.path("encoded").path("input_ids"));
      String text = c.path("input").asText();
      assertArrayEquals(expected, gpt2.encode(text), text);
      assertEquals(text, gpt2.decode(expected));
    }
    for (String line : Files.readAllLines(folder.resolve("multilingual.jsonl"))) {
      cases++;
      JsonNode c = JSON.readTree(line);
      String text = c.path("text").asText();
      int[] ids = gpt2.encode(text);
      assertArrayEquals(ints(c.path("input_ids")), ids, text);
      assertEquals(text, gpt2.decode(ids));
      List<String> tokens = IntStream.of(ids).mapToObj(gpt2::token).toList();
      assertEquals(JSON.convertValue(c.path("tokens"), List.class), tokens);
    }
    JsonNode french = JSON.readTree(folder.resolve("encoded.json").toFile());
    assertArrayEquals(ints(french.path("token_ids")), gpt2.encode(french.path("text").asText()));
    assertEquals(60, cases);
    System.out.println("tok-gpt2: " + (cases + 1) + " texts agree");
  }

  @Test
  void cutsWordsAsGpt2() {
    assertEquals(List.of("I", "'ll", " don", "'t", " X", "'", "LL"), words("I'll don't X'LL"));
    assertEquals(List.of(" ", " a", "  ", "\n", "b", "  "), words("  a  \nb  "));
    assertEquals(List.of("x", "²½Ⅷ9", " !?", "é"), words("x²½Ⅷ9 !?é"));
  }

  // Unicode's White_Space is a space; U+001C to U+001F, U+180E and U+200B are not.
  @Test
  void spacesAreThoseOfUnicode() {
    for (int c : new int[] {9, 0xB, 0x85, 0xA0, 0x1680, 0x2007, 0x2028, 0x202F, 0x3000}) {
      String space = Character.toString(c);
      assertEquals(List.of("a", space, space, "b"), words("a" + space + space + "b"));
    }
    for (int c : new int[] {0x1C, 0x1F, 0x180E, 0x200B, 0xFEFF}) {
      String other = Character.toString(c);
      assertEquals(List.of("a", other + other, "b"), words("a" + other + other + "b"));
    }
  }

  @Test
  void anyTextComesBack() {
    ByteLevelBpe bpe = small();
    Random random = new Random(1);
    for (int round = 0; round < 500; round++) {
      StringBuilder text = new StringBuilder();
      int length = random.nextInt(60);
      for (int i = 0; i < length; i++) {
        int c = random.nextInt(4) > 0 ? random.nextInt(0x180) : random.nextInt(0x110000);
        text.appendCodePoint(c >= 0xD800 && c < 0xE000 ? ' ' : c);
      }
      assertEquals(text.toString(), bpe.decode(bpe.encode(text.toString())));
    }
  }

  @Test
  void loneSurrogatesAreReplaced() {
    ByteLevelBpe bpe = small();
    String text = "a\uD800b\uDC00\uD83D\uDE00\uDE00\uD83D";
    assertEquals("a\uFFFDb\uFFFD\uD83D\uDE00\uFFFD\uFFFD", bpe.decode(bpe.encode(text)));
    assertEquals("a\uFFFDb\uFFFD\uD83D\uDE00\uFFFD\uFFFD", WordScanner.wellFormed(text));
  }

  @Test
  void anyBytesComeBack() {
    ByteLevelBpe bpe = small();
    byte[] all = new byte[256];
    for (int i = 0; i < 256; i++) {
      all[i] = (byte) i;
      assertArrayEquals(new byte[] {(byte) i}, bpe.decodeBytes(bpe.encodeBytes((byte) i)));
    }
    assertArrayEquals(all, bpe.decodeBytes(bpe.encodeBytes(all)));
    Random random = new Random(2);
    for (int round = 0; round < 500; round++) {
      byte[] data = new byte[random.nextInt(40)];
      random.nextBytes(data);
      assertArrayEquals(data, bpe.decodeBytes(bpe.encodeBytes(data)));
      byte[] text = "das Mädchen – 日本".getBytes(StandardCharsets.UTF_8);
      byte[] cut = java.util.Arrays.copyOf(text, random.nextInt(text.length));
      assertArrayEquals(cut, bpe.decodeBytes(bpe.encodeBytes(cut)));
    }
    String text = "the cat, das Mädchen – 日本";
    assertArrayEquals(bpe.encode(text), bpe.encodeBytes(text.getBytes(StandardCharsets.UTF_8)));
  }

  @Test
  void halfACharacterIsReplaced() {
    ByteLevelBpe bpe = small();
    int[] ids = bpe.encode("é");
    assertEquals(2, ids.length);
    assertEquals("\uFFFD", bpe.decode(ids[0]));
  }

  @Test
  void specialTokensOnlyWhenAsked() {
    ByteLevelBpe bpe = small();
    String text = "the cat<|endoftext|>the hat";
    int end = bpe.endOfText().orElseThrow();
    assertEquals(0, end);
    assertTrue(IntStream.of(bpe.encode(text)).noneMatch(id -> id == end));
    int[] ids = bpe.encodeWithSpecials(text);
    assertEquals(1, IntStream.of(ids).filter(id -> id == end).count());
    assertEquals(text, bpe.decode(ids));
    assertEquals(text, bpe.decode(bpe.encode(text)));
    assertArrayEquals(new int[] {end}, bpe.prompt(""));
  }

  // Naive merging of one long word is quadratic: minutes for this one.
  @Test
  void longWordsAreFast() {
    ByteLevelBpe bpe = small();
    String text = "thatthere".repeat(40_000);
    assertTimeoutPreemptively(
        Duration.ofSeconds(20), () -> assertEquals(text, bpe.decode(bpe.encode(text))));
  }

  @Test
  void savesAndLoads(@TempDir Path folder) throws IOException {
    ByteLevelBpe bpe =
        new BpeTrainer(300, List.of("<|endoftext|>", "<|pad|>"), ProgressListener.NONE)
            .add("the cat sat on the mat, the rat sat on the cat")
            .train();
    bpe.save(folder);
    assertTrue(Files.readString(folder.resolve("merges.txt")).startsWith("#version: 0.2\n"));
    ByteLevelBpe back = (ByteLevelBpe) Tokenizers.load(folder);
    assertEquals(bpe.vocabularySize(), back.vocabularySize());
    assertEquals(bpe.specials(), back.specials());
    assertEquals(1, back.id("<|pad|>").orElseThrow());
    String text = "the cat sat on the<|pad|> mat ½";
    assertArrayEquals(bpe.encode(text), back.encode(text));
    assertArrayEquals(bpe.encodeWithSpecials(text), back.encodeWithSpecials(text));
  }

  @Test
  void badInputIsNamed(@TempDir Path folder) throws IOException {
    var missing = assertThrows(IllegalArgumentException.class, () -> ByteLevelBpe.load(folder));
    assertTrue(missing.toString().contains(folder.toString()));
    Files.writeString(folder.resolve("vocab.json"), "{\"a\":0}");
    Files.writeString(folder.resolve("merges.txt"), "#version: 0.2\n");
    var lacks = assertThrows(IllegalArgumentException.class, () -> ByteLevelBpe.load(folder));
    assertTrue(lacks.toString().contains("byte 0"), lacks.toString());
    Files.writeString(folder.resolve("vocab.json"), "{\"a\":");
    var broken = assertThrows(IOException.class, () -> ByteLevelBpe.load(folder));
    assertTrue(broken.toString().contains("vocab.json"), broken.toString());
    assertThrows(IllegalArgumentException.class, () -> small().decode(9999));
    assertThrows(IllegalArgumentException.class, () -> small().token(-1));
  }
}
