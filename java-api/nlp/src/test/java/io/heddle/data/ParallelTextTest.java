package io.heddle.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ParallelTextTest {
  private static final ParallelText.Sides SIDES = new ParallelText.Sides("en", "de");
  private static final List<ParallelText> PAIRS =
      List.of(new ParallelText("a dog", "ein Hund"), new ParallelText("a cat", "eine Katze"));

  private final Path folder;

  ParallelTextTest(@TempDir Path folder) {
    this.folder = folder;
  }

  private void write(String name, String text) throws IOException {
    Path file = folder.resolve(name);
    try (OutputStream raw = Files.newOutputStream(file);
        OutputStream to = name.endsWith(".gz") ? new GZIPOutputStream(raw) : raw) {
      to.write(text.getBytes(StandardCharsets.UTF_8));
    }
  }

  @Test
  void aFolderHasPartsByName() throws IOException {
    write("train.en.gz", "a dog\na cat\n");
    write("train.de.gz", "ein Hund\neine Katze\n");
    write("val.en", "a dog\n");
    write("val.de", "ein Hund\n");
    write("test_2016.de", "eine Katze\n");
    write("test_2016.en", "a cat\n");
    write("train.fr", "un chien\nun chat\n");
    ParallelText.Parts parts = ParallelText.parts(folder, SIDES);
    assertEquals(PAIRS, parts.train());
    assertEquals(PAIRS.subList(0, 1), parts.dev());
    assertEquals(PAIRS.subList(1, 2), parts.test());
    ParallelText.Sides back = new ParallelText.Sides("de", "fr");
    assertEquals(
        new ParallelText("ein Hund", "un chien"),
        ParallelText.read(folder.resolve("train"), back).getFirst());
  }

  @Test
  void aPartIsATableASourceFileOrACommonName() throws IOException {
    write("a.tsv", "de\ten\nein Hund\ta dog\neine Katze\ta cat\n");
    assertEquals(PAIRS, ParallelText.read(folder.resolve("a.tsv"), SIDES));
    write("b.tsv", "a dog\tein Hund\na cat\teine Katze\n");
    ParallelText.Sides numbers = new ParallelText.Sides("1", "2");
    assertEquals(PAIRS, ParallelText.read(folder.resolve("b.tsv"), numbers));
    write(
        "c.jsonl",
        "{\"en\":\"a dog\",\"de\":\"ein Hund\"}\n{\"en\":\"a cat\",\"de\":\"eine Katze\"}\n");
    assertEquals(PAIRS, ParallelText.read(folder.resolve("c.jsonl"), SIDES));
    write("d.en", "a dog\na cat\n");
    write("d.de.gz", "ein Hund\neine Katze\n");
    assertEquals(PAIRS, ParallelText.read(folder.resolve("d.en"), SIDES));
    assertEquals(PAIRS, ParallelText.read(folder.resolve("d"), SIDES));
  }

  @Test
  void whatDoesNotFitIsNamed() throws IOException {
    write("d.en", "a dog\na cat\n");
    write("d.de", "ein Hund\n");
    Path d = folder.resolve("d");
    String fewer =
        assertThrows(IllegalArgumentException.class, () -> ParallelText.read(d, SIDES))
            .getMessage();
    assertTrue(String.valueOf(fewer).contains("d.de has 1 lines, fewer than"), fewer);
    String none =
        assertThrows(IllegalArgumentException.class, () -> ParallelText.parts(folder, SIDES))
            .getMessage();
    assertTrue(String.valueOf(none).contains("no file to train on"), none);
    assertThrows(IllegalArgumentException.class, () -> new ParallelText.Sides("en", "en"));
  }
}
