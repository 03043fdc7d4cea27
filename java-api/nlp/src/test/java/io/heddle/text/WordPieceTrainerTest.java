package io.heddle.text;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.DataFolder;
import io.heddle.progress.ProgressListener;
import java.io.IOException;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class WordPieceTrainerTest {
  private static List<String> vocabulary(WordPiece tokens) {
    return IntStream.range(0, tokens.vocabularySize()).mapToObj(tokens::token).toList();
  }

  // By hand: p ##u 17 times; pu ##n 12; h ##u and ##u ##g 10, of which h has the lower id; hu ##g
  // 10.
  @Test
  void joinsTheMostFrequentPairs() {
    String text = "Hug ".repeat(10) + "pug ".repeat(5) + "pun ".repeat(12) + "bun ".repeat(4);
    WordPiece tokens = new WordPieceTrainer(15, true, ProgressListener.NONE).add(text).train();
    List<String> expected =
        List.of(
            "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "b", "h", "p", "##g", "##n", "##u", "pu",
            "pun", "hu", "hug");
    assertEquals(expected, vocabulary(tokens));
    assertEquals("hug pug", tokens.decode(tokens.encode("Hug pug")));
  }

  @Test
  void learnsFromABook() throws IOException {
    List<String> lines =
        TextFiles.lines(DataFolder.of("tok-sentencepiece").resolve("botchan.txt.gz"));
    WordPieceTrainer one = new WordPieceTrainer(1000, true, ProgressListener.NONE);
    WordPieceTrainer two = new WordPieceTrainer(1000, true, ProgressListener.NONE);
    lines.forEach(one::add);
    lines.reversed().forEach(two::add);
    WordPiece tokens = one.train();
    assertEquals(1000, tokens.vocabularySize());
    assertEquals(vocabulary(tokens), vocabulary(two.train()));
    int pieces = 0;
    int words = 0;
    for (String line : lines) {
      for (int id : tokens.encode(line)) {
        assertTrue(id != 1, line);
        pieces++;
      }
      words += new BertWords(true, true, true).split(line).size();
    }
    assertTrue(pieces < 2 * words, pieces + " pieces for " + words + " words");
  }

  @Test
  void tooSmallAVocabularyIsRefused() {
    WordPieceTrainer trainer = new WordPieceTrainer(6, true, ProgressListener.NONE).add("ab");
    var refused = assertThrows(IllegalArgumentException.class, trainer::train);
    assertTrue(refused.toString().contains("which are 7"), refused.toString());
  }
}
