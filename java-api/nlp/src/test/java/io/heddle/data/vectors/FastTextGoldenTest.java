package io.heddle.data.vectors;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.GoldenFolder;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Files that fastText 0.9.2 wrote, and what it answered; tests/golden/vectors/make.sh. */
class FastTextGoldenTest {
  private static final Path FOLDER = GoldenFolder.of("vectors");
  private static final Path GRAMS = FOLDER.resolve("grams.bin");

  // fastText prints five significant digits.
  private static void near(String line, String word, float[] vector) {
    assertTrue(line.startsWith(word + " "), line);
    String[] fields = line.substring(word.length()).strip().split(" ", -1);
    assertEquals(fields.length, vector.length, line);
    for (int i = 0; i < vector.length; i++) {
      double want = Double.parseDouble(fields[i]);
      assertEquals(want, vector[i], 6e-5 * Math.abs(want) + 1e-9, line + " [" + i + "]");
    }
  }

  @Test
  void vectorsOfSeenAndUnseenWords() throws IOException {
    FastTextModel model = FastTextModel.load(GRAMS);
    List<String> queries = Files.readAllLines(FOLDER.resolve("queries.txt"));
    List<String> answers = Files.readAllLines(FOLDER.resolve("grams.answers.txt"));
    assertEquals(16, queries.size());
    for (int i = 0; i < queries.size(); i++) {
      near(answers.get(i), queries.get(i), Objects.requireNonNull(model.vector(queries.get(i))));
    }
    assertEquals(97, model.settings().subwords().buckets());
    assertEquals(60 * (36 + 3), model.tokens(), "36 words and 3 ends of lines, 60 times");
    assertEquals(60, model.count(model.words().indexOf("loom")));
  }

  @Test
  void everyGramHasItsBucket() throws IOException {
    FastTextModel model = FastTextModel.load(GRAMS);
    List<String> lines = Files.readAllLines(FOLDER.resolve("grams.ngrams.txt"));
    int[] buckets = model.settings().subwords().of("東京都");
    assertEquals(lines.size() - 1, buckets.length, "the first line is the word itself");
    for (int i = 0; i < buckets.length; i++) {
      String gram = lines.get(i + 1).substring(0, lines.get(i + 1).indexOf(' '));
      long row = model.words().size() + (long) buckets[i];
      float[] vector =
          model.input().asSlice(4 * row * 5, 20).toArray(ValueLayout.JAVA_FLOAT_UNALIGNED);
      near(lines.get(i + 1), gram, vector);
    }
  }

  @Test
  void withoutGramsUnseenWordsHaveNoVector() throws IOException {
    FastTextModel model = FastTextModel.load(FOLDER.resolve("words.bin"));
    assertNull(model.vector("weaving"));
    assertEquals(Subwords.NONE, model.settings().subwords());
    assertEquals(FastTextSettings.CBOW, model.settings().model());
  }

  @Test
  void textFilesHoldTheSame() throws IOException {
    for (String name : List.of("grams", "words")) {
      FastTextModel model = FastTextModel.load(FOLDER.resolve(name + ".bin"));
      Path text = FOLDER.resolve(name + ".vec");
      assertEquals(VectorFormat.WORD2VEC, VectorFile.format(text));
      WordTable table = VectorFile.read(text, word -> true);
      assertEquals(model.words(), table.words());
      List<String> lines = Files.readAllLines(text);
      for (int i = 0; i < table.words().size(); i++) {
        String word = table.words().get(i);
        near(lines.get(i + 1), word, Objects.requireNonNull(model.vector(word)));
        near(lines.get(i + 1), word, table.row(i));
      }
    }
  }

  @Test
  void writesTheSameBytes(@TempDir Path folder) throws IOException {
    for (String name : List.of("grams.bin", "words.bin")) {
      Path copy = folder.resolve(name);
      VectorFile.write(copy, VectorFile.open(FOLDER.resolve(name)), VectorFormat.FASTTEXT);
      assertArrayEquals(Files.readAllBytes(FOLDER.resolve(name)), Files.readAllBytes(copy), name);
    }
  }

  @Test
  void aFileCutAnywhereIsRefusedInOneSentence(@TempDir Path folder) throws IOException {
    byte[] whole = Files.readAllBytes(GRAMS);
    Path cut = folder.resolve("cut.bin");
    for (int length = 8; length < whole.length; length += 13) {
      Files.write(cut, Arrays.copyOf(whole, length));
      String message =
          String.valueOf(
              assertThrows(IOException.class, () -> FastTextModel.load(cut)).getMessage());
      assertTrue(message.startsWith(cut + " ends in the "), message);
    }
  }

  @Test
  void saysWhatIsWrong(@TempDir Path folder) throws IOException {
    byte[] whole = Files.readAllBytes(GRAMS);
    Path bad = folder.resolve("bad.bin");
    refuses(bad, whole, 4, 99, "version 99");
    refuses(bad, whole, 8, 6, "expected " + (31 + 97) + " x 6");
    refuses(bad, whole, 8, 0, "0 numbers");
    refuses(bad, whole, 64, 2, "2 entries");
    Files.write(bad, new byte[] {1, 2, 3});
    assertTrue(
        String.valueOf(assertThrows(IOException.class, () -> FastTextModel.load(bad)).getMessage())
            .contains("no fastText model"));
  }

  private static void refuses(Path file, byte[] whole, int at, int value, String part)
      throws IOException {
    byte[] bytes = whole.clone();
    ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putInt(at, value);
    Files.write(file, bytes);
    String message =
        String.valueOf(
            assertThrows(IOException.class, () -> FastTextModel.load(file)).getMessage());
    assertTrue(message.startsWith(file.toString()) && message.contains(part), message);
  }
}
