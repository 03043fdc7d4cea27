package io.heddle.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.DataFolder;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TextsTest {
  private static byte[] gzip(String text) throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (GZIPOutputStream out = new GZIPOutputStream(bytes)) {
      out.write(text.getBytes(StandardCharsets.UTF_8));
    }
    return bytes.toByteArray();
  }

  @Test
  void foldersInOrder(@TempDir Path folder) throws IOException {
    Files.createDirectory(folder.resolve("b"));
    Files.writeString(folder.resolve("c.txt"), "third\n");
    Files.writeString(folder.resolve("README.md"), "not data");
    Files.write(folder.resolve("b/x.txt.gz"), gzip("sécond"));
    Files.writeString(folder.resolve("a.jsonl"), "{\"text\":\"one\"}\n\n{\"text\":\"two\"}\n");
    List<Document> all = Texts.read(folder);
    assertEquals(
        List.of("one", "two", "sécond", "third\n"), all.stream().map(Document::text).toList());
    assertTrue(all.get(1).name().endsWith("a.jsonl:3"), all.get(1).name());

    Files.write(folder.resolve("d.jsonl.gz"), gzip("{\"body\":\"here\",\"text\":1}"));
    assertEquals("here", Texts.read(folder.resolve("d.jsonl.gz"), "body").getFirst().text());
  }

  @Test
  void errorsNameTheFile(@TempDir Path folder) throws IOException {
    assertThrows(IllegalArgumentException.class, () -> Texts.read(folder));
    assertThrows(IllegalArgumentException.class, () -> Texts.read(folder.resolve("none.txt")));
    refused(
        folder.resolve("a.jsonl"),
        "{\"text\":\"x\"}\n{\"text\":".getBytes(StandardCharsets.UTF_8),
        "a.jsonl:2");
    refused(
        folder.resolve("b.jsonl"),
        "{\"other\":\"x\"}".getBytes(StandardCharsets.UTF_8),
        "b.jsonl:1");
    refused(folder.resolve("c.txt"), new byte[] {'a', (byte) 0xFF}, "c.txt");
    refused(folder.resolve("d.txt.gz"), new byte[] {1, 2, 3}, "d.txt.gz");
  }

  private static void refused(Path file, byte[] content, String named) throws IOException {
    Files.write(file, content);
    var e = assertThrows(IOException.class, () -> Texts.read(file));
    assertTrue(e.toString().contains(named), e.toString());
  }

  @Test
  void holdsOutLastLines() {
    for (String text :
        List.of("", "a", "a\n", "a\nb", "a\nb\nc\n", "1\n2\n3\n4\n5\n6\n7\n8\n9\n10")) {
      for (double fraction : new double[] {0, 0.05, 0.1, 0.34, 0.5, 0.99}) {
        List<Document> parts = new Document("d", text).holdOut(fraction);
        assertEquals(text, parts.get(0).text() + parts.get(1).text());
        assertEquals(
            (long) (text.lines().count() * fraction), parts.get(1).text().lines().count(), text);
      }
    }
    HoldOut parts =
        HoldOut.lastLines(List.of(new Document("x", "one"), new Document("y", "1\n2\n")), 0.5);
    assertEquals(List.of("one", "1\n"), parts.train().stream().map(Document::text).toList());
    assertEquals(List.of("2\n"), parts.heldOut().stream().map(Document::text).toList());
    assertEquals(
        29, new Document("z", "l\n".repeat(100)).holdOut(0.29).get(1).text().lines().count());
    assertThrows(IllegalArgumentException.class, () -> new Document("x", "").holdOut(1));
  }

  @Test
  void novels() throws IOException {
    List<Document> books = Texts.read(DataFolder.of("lm-books"));
    assertEquals(4, books.size());
    assertEquals(
        6_209_665,
        books.stream().mapToLong(b -> b.text().getBytes(StandardCharsets.UTF_8).length).sum());
    HoldOut parts = HoldOut.lastLines(books, 0.05);
    assertEquals(1001, parts.heldOut().getFirst().text().lines().count());
  }
}
