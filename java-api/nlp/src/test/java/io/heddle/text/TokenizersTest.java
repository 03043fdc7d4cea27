package io.heddle.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.DataFolder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TokenizersTest {
  @Test
  void knowsEachKindByItsFiles(@TempDir Path temp) throws IOException {
    Path bert = DataFolder.of("tok-bert");
    assertInstanceOf(WordPiece.class, Tokenizers.load(bert));
    assertInstanceOf(WordPiece.class, Tokenizers.load(bert.resolve("vocab.txt")));
    assertInstanceOf(ByteLevelBpe.class, Tokenizers.load(DataFolder.of("tok-gpt2")));
    Path sentence = DataFolder.of("tok-sentencepiece");
    Path model = sentence.resolve("seqio.model");
    assertInstanceOf(SentencePiece.class, Tokenizers.load(model));
    var several = assertThrows(IllegalArgumentException.class, () -> Tokenizers.load(sentence));
    assertTrue(several.toString().contains("seqio.model"), several.toString());
    Files.copy(model, temp.resolve("any.model"));
    assertInstanceOf(SentencePiece.class, Tokenizers.load(temp));
    Path codes = DataFolder.of("tok-subword-nmt").resolve("bpe.ref");
    assertInstanceOf(SubwordTokenizer.class, Tokenizers.load(codes));
    Path half = DataFolder.of("tok-gpt2").resolve("vocab.bpe.gz");
    var refused = assertThrows(IllegalArgumentException.class, () -> Tokenizers.load(half));
    assertTrue(refused.toString().contains("name the folder"), refused.toString());
  }

  @Test
  void eachKindIsReadAsItWasSaved(@TempDir Path temp) throws IOException {
    Path bert = DataFolder.of("tok-bert");
    Path model = DataFolder.of("tok-sentencepiece").resolve("test_model.model");
    Path codes = DataFolder.of("tok-subword-nmt").resolve("bpe.ref");
    int n = 0;
    for (Path path : List.of(bert, model, codes, DataFolder.of("tok-gpt2"))) {
      Tokenizer first = Tokenizers.load(path);
      Path folder = temp.resolve("t" + n++);
      first.save(folder);
      Tokenizer again = Tokenizers.load(folder);
      String text = "the steel ingot moulds , and the unbreakable edges";
      assertArrayEquals(first.encode(text), again.encode(text));
      assertEquals(text.replace(" ,", ","), again.decode(again.encode(text)).replace(" ,", ","));
      assertEquals(first.vocabularySize(), again.vocabularySize());
      assertEquals(first.endOfText(), again.endOfText());
    }
  }

  @Test
  void wholeWordsAreLearntOnceAndKept(@TempDir Path folder) throws IOException {
    List<String> texts = List.of("a Loom a loom a Loom", "loom x");
    Tokenizer first = Tokenizers.keptOrTrainedWords(folder, 20, texts);
    assertEquals(8, first.vocabularySize());
    assertArrayEquals(new int[] {6, 5, 7, 1}, first.encode("Loom a loom x"));
    Tokenizer kept = Tokenizers.keptOrTrainedWords(folder, 20, List.of("x x"));
    assertArrayEquals(new int[] {6, 5, 7, 1}, kept.encode("Loom a loom x"));
    Tokenizer fewer = Tokenizers.keptOrTrainedWords(folder.resolve("fewer"), 7, texts);
    assertArrayEquals(new int[] {6, 5, 1}, fewer.encode("Loom a loom"));
  }

  // Every piece that the codes can make has an id: only foreign characters are unknown.
  @Test
  void subwordIds(@TempDir Path folder) throws IOException {
    Path data = DataFolder.of("tok-subword-nmt");
    Tokenizer tokens = Tokenizers.load(data.resolve("bpe.ref"));
    int unknown = 0;
    int all = 0;
    for (String line : TextFiles.lines(data.resolve("corpus.en"))) {
      for (int id : tokens.encode(line)) {
        all++;
        unknown += id == 0 ? 1 : 0;
      }
    }
    assertTrue(unknown < all / 100, unknown + " of " + all);
    SubwordTokenizer own =
        new SubwordTokenizer(SubwordBpe.of(List.of("#version: 0.2", "a b</w>")), Set.of("ab"));
    assertArrayEquals(new int[] {2, 0}, own.encode("ab\tz"));
    assertEquals("</s>", own.token(own.endOfText().orElseThrow()));
  }

  @Test
  void emptyFoldersAreNamed(@TempDir Path folder) {
    var none = assertThrows(IllegalArgumentException.class, () -> Tokenizers.load(folder));
    assertTrue(none.toString().contains(folder + " has none of"), none.toString());
  }
}
