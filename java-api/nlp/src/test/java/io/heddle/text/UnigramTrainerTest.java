package io.heddle.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.heddle.DataFolder;
import io.heddle.GoldenFolder;
import io.heddle.progress.ProgressListener;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class UnigramTrainerTest {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Path GOLDEN = GoldenFolder.of("text");

  private static UnigramTrainer trainer(int size) {
    return new UnigramTrainer(size, ProgressListener.NONE);
  }

  private static byte[] file(SentencePiece model, Path folder) throws IOException {
    model.save(folder);
    return Files.readAllBytes(folder.resolve(SentencePiece.FILE));
  }

  /** The committed model is what training gives, and the library cuts with it as we do. */
  @Test
  void theLibraryReadsWhatIsLearnt(@TempDir Path folder) throws IOException {
    String corpus = Files.readString(GOLDEN.resolve("corpus.txt"));
    SentencePiece model = trainer(160).add(corpus).train();
    byte[] committed = Files.readAllBytes(GOLDEN.resolve("unigram").resolve(SentencePiece.FILE));
    assertArrayEquals(committed, file(model, folder));
    List<String> lines = Files.readAllLines(GOLDEN.resolve("unigram.jsonl"));
    assertEquals(160, JSON.readTree(lines.getFirst()).path("size").asInt());
    for (String line : lines.subList(1, lines.size())) {
      JsonNode row = JSON.readTree(line);
      int[] ids = model.encode(row.path("text").asText());
      assertEquals(row.path("ids").toString(), JSON.valueToTree(ids).toString(), line);
      List<String> pieces =
          model.pieces(row.path("text").asText()).stream().map(SentencePiece.Piece::text).toList();
      assertEquals(row.path("pieces").toString(), JSON.valueToTree(pieces).toString());
      assertEquals(row.path("decoded").asText(), model.decode(ids));
    }
    assertEquals(24, lines.size());
  }

  @Test
  void theOrderOfTextsDoesNotMatter(@TempDir Path folder) throws IOException {
    List<String> lines = Files.readAllLines(GOLDEN.resolve("corpus.txt"));
    byte[] forward = file(trainer(150).addAll(lines).train(), folder);
    assertArrayEquals(forward, file(trainer(150).addAll(lines.reversed()).train(), folder));
  }

  @Test
  void smallVocabulariesAreRefusedAndLargeOnesAreNotFilled() {
    var small = assertThrows(IllegalArgumentException.class, () -> trainer(5).add("abc").train());
    assertTrue(small.toString().endsWith("characters of the text, which are 7"), small.toString());
    assertThrows(IllegalArgumentException.class, () -> trainer(50).add(" \n").train());
    SentencePiece all = trainer(500).add("ab ab ab\ncd").train();
    assertTrue(all.vocabularySize() < 20, "pieces " + all.vocabularySize());
    assertEquals("ab cd", all.decode(all.encode("ab  cd ")));
  }

  /** As good as the reference trainer: as few pieces for the same text and the same size. */
  @Test
  void needsNoMorePiecesThanTheReference() throws IOException {
    Path data = DataFolder.of("tok-sentencepiece");
    SentencePiece reference =
        SentencePiece.load(data.resolve("trained-botchan-unigram-1000.model"));
    String text = TextFiles.text(data.resolve("botchan.txt.gz"));
    // The reference trainer normalizes its text; ours takes what it is given.
    StringBuilder normal = new StringBuilder();
    for (String line : text.split("\n", -1)) {
      normal.append(reference.normalize(line).replace(PieceNormalizer.SPACE, " ")).append('\n');
    }
    SentencePiece own = trainer(1000).add(normal.toString()).train();
    assertEquals(1000, own.vocabularySize());
    long ours = 0;
    long theirs = 0;
    for (String line : normal.toString().split("\n", -1)) {
      ours += own.encode(line).length;
      theirs += reference.encode(line).length;
      assertEquals(line.strip(), own.decode(own.encode(line)));
    }
    int common = 0;
    for (int id = 0; id < 1000; id++) {
      common += reference.id(own.token(id)).isPresent() ? 1 : 0;
    }
    System.out.println(
        "unigram 1000 of botchan.txt: "
            + ours
            + " pieces, sentencepiece's own trainer "
            + theirs
            + "; "
            + common
            + " of 1000 pieces in common");
    assertTrue(ours <= 1.02 * theirs, ours + " against " + theirs);
    assertTrue(common >= 800, common + " pieces in common");
  }
}
