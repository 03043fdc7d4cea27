package io.heddle.methods.finetune;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.data.TaggedWords;
import io.heddle.progress.ProgressListener;
import io.heddle.text.WordPiece;
import io.heddle.text.WordPieceTrainer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Columns, tags, pieces of words, sentences longer than a row. */
class TagDataTest {
  private static final String TEXT =
      "-DOCSTART- -X- O\n\nEU NNP B-ORG\nrejects VBZ O\n\n\nBonn NNP B-LOC\n. . O\n";

  private final Path folder;

  TagDataTest(@TempDir Path folder) {
    this.folder = folder;
  }

  @Test
  void readsColumns() throws IOException {
    Path file = Files.writeString(folder.resolve("a.conll"), TEXT);
    List<TaggedWords> read = TaggedWords.read(file, 1, 0);
    assertEquals(
        List.of(
            new TaggedWords(List.of("EU", "rejects"), List.of("B-ORG", "O")),
            new TaggedWords(List.of("Bonn", "."), List.of("B-LOC", "O"))),
        read);
    assertEquals(List.of("NNP", "VBZ"), TaggedWords.read(file, 1, 2).getFirst().tags());
    assertEquals(List.of(), TaggedWords.read(file, 1, -1).getFirst().tags());
    assertEquals(List.of("O", "B-LOC", "B-ORG"), TagData.tags(read));
    Exception e = assertThrows(IOException.class, () -> TaggedWords.read(file, 1, 4));
    assertTrue(String.valueOf(e.getMessage()).contains("a.conll:3"), e.getMessage());
    // Universal Dependencies: comments, tabs.
    Path tabs = Files.writeString(folder.resolve("b.conllu"), "# text = a b\n1\ta\tX\n2\t#\tY\n");
    assertEquals(List.of("a", "#"), TaggedWords.read(tabs, 2, 3).getFirst().words());
  }

  @Test
  void aTagStandsAtItsWordsFirstPieceAndLongSentencesAreCut() {
    WordPiece tokens =
        new WordPieceTrainer(12, true, ProgressListener.NONE).add("ab ab ba a b").train();
    List<String> words = List.of("ab", "abba", "b", "a");
    TaggedWords sentence = new TaggedWords(words, List.of("X", "Y", "X", "Z"));
    TagData data = TagData.of(List.of(sentence), List.of("X", "Y"), tokens, 6);
    assertTrue(data.parts().size() > 1);
    int next = 0;
    for (TagData.Part part : data.parts()) {
      assertEquals(next, part.from());
      assertTrue(part.row().length() <= 6);
      for (int w = 0; w < part.at().length; w++) {
        int[] pieces = tokens.encode(words.get(next + w));
        assertEquals(pieces[0], part.row().ids()[part.at()[w]]);
      }
      next += part.at().length;
    }
    assertEquals(4, next);
    int[] targets =
        data.parts().stream().flatMapToInt(p -> java.util.Arrays.stream(p.targets())).toArray();
    assertArrayEquals(new int[] {0, 1, 0, -1}, targets, "Z was not learnt");
  }
}
