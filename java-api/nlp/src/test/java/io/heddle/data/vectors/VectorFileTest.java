package io.heddle.data.vectors;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The text forms and word2vec's binary form. */
class VectorFileTest {
  private static final WordTable TABLE =
      WordTable.of(
          List.of("loom", "naïve", "東京", "\u0085"),
          List.of(
              new float[] {1, -2.5f, 3e-9f},
              new float[] {0.1f, Float.MIN_VALUE, Float.MAX_VALUE},
              new float[] {-0.0f, 1 / 3f, 12345678},
              new float[] {1, 2, 3}));

  @TempDir private Path folder = Path.of("");

  @ParameterizedTest
  @EnumSource(names = {"WORD2VEC", "WORD2VEC_BINARY", "GLOVE"})
  void everyBitComesBack(VectorFormat format) throws IOException {
    Path file = folder.resolve("vectors");
    VectorFile.write(file, TABLE, format);
    assertEquals(format, VectorFile.format(file));
    same(VectorFile.read(file, word -> true));
    Path packed = folder.resolve("vectors.gz");
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (GZIPOutputStream out = new GZIPOutputStream(bytes)) {
      out.write(Files.readAllBytes(file));
    }
    Files.write(packed, bytes.toByteArray());
    assertEquals(format, VectorFile.format(packed));
    same(VectorFile.open(packed).table());
    assertEquals(List.of("東京"), VectorFile.read(file, w -> w.equals("東京")).words());
    try (var left = Files.list(folder)) {
      assertEquals(2, left.count(), "no temporary file is left");
    }
  }

  private static void same(WordTable read) {
    assertEquals(TABLE.words(), read.words());
    for (int i = 0; i < 4; i++) {
      assertArrayEquals(TABLE.row(i), read.row(i), TABLE.words().get(i));
    }
  }

  private void says(String part, String content) throws IOException {
    Path file = folder.resolve("bad");
    Files.write(file, content.getBytes(StandardCharsets.ISO_8859_1));
    String message =
        String.valueOf(
            assertThrows(IOException.class, () -> VectorFile.read(file, w -> true)).getMessage());
    assertTrue(message.startsWith(file.toString()) && message.contains(part), message);
  }

  @Test
  void saysWhatIsWrongAndWhere() throws IOException {
    says("is empty", "");
    says(":2: 1 numbers after the word, not 2", "loom 1 2\nwarp 1\n");
    says(":2: 'x' is no number (of 'warp')", "loom 1 2\nwarp 1 x\n");
    says(":1: no numbers after the word", "loom\n");
    says(":1 promises 3 words, and the file has 2", "3 2\nloom 1 2\nwarp 1 2\n");
    says(":3: 1 numbers after the word, not 2", "2 2\nloom 1 2\nwarp 1\n");
    says("word 2 of 2: the file ends in the word", "2 1\nloom \0\0\0\0\nwarp");
    says("word 2 of 2: the file ends in its numbers", "2 1\nloom \0\0\0\0\nwarp \0\0");
  }

  @Test
  void wordsWithSpacesTakeTheLastNumbers() throws IOException {
    Path file = folder.resolve("glove.txt");
    Files.writeString(file, "loom 1 2\n. . 3 4 \nat name@domain.com 5 6\nloom 7 8\n");
    WordTable table = VectorFile.read(file, word -> true);
    assertEquals(List.of("loom", ". .", "at name@domain.com"), table.words());
    assertArrayEquals(new float[] {1, 2}, table.row(0), "of a word that is there twice the first");
  }

  @Test
  void refusesWhatAFormatCannotHold() throws IOException {
    Path file = folder.resolve("out");
    Files.writeString(file, "as it was");
    WordTable spaced = WordTable.of(List.of("a b"), List.of(new float[] {1}));
    for (VectorFormat format : VectorFormat.values()) {
      assertThrows(IllegalArgumentException.class, () -> VectorFile.write(file, spaced, format));
    }
    assertEquals("as it was", Files.readString(file));
    assertThrows(
        IllegalArgumentException.class,
        () -> WordTable.of(List.of("a", "a"), List.of(new float[] {1}, new float[] {2})));
    assertThrows(
        IllegalArgumentException.class,
        () -> WordTable.of(List.of("a", "b"), List.of(new float[] {1}, new float[] {2, 3})));
  }
}
