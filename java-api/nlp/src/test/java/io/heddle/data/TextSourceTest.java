package io.heddle.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TextSourceTest {
  @Test
  void manyDocumentsAreHeldOutAsWholes() {
    List<Document> documents = new ArrayList<>();
    for (int i = 0; i < 400; i++) {
      documents.add(new Document("here:" + i, "text number " + i % 200));
    }
    TextSource source = TextSource.split("s", documents, 1_000_000);
    Set<String> train = texts(source.train());
    Set<String> held = texts(source.validation());
    held.addAll(texts(source.test()));
    assertEquals(200, train.size() + held.size(), "equal texts are in one part");
    assertTrue(held.size() >= 8 && held.size() <= 40, held.size() + " held out");
    assertTrue(train.stream().noneMatch(held::contains));

    // Names, which tell where files lie, change nothing.
    List<Document> elsewhere =
        documents.stream().map(d -> new Document("there", d.text())).toList();
    assertEquals(train, texts(TextSource.split("s", elsewhere, 1_000_000).train()));
    assertTrue(TextSource.split("s", documents, 100).characters() < 120);
  }

  private static Set<String> texts(List<Document> documents) {
    return new HashSet<>(documents.stream().map(Document::text).toList());
  }

  @Test
  void ofFewDocumentsTheLastLinesAre() {
    StringBuilder text = new StringBuilder();
    for (int i = 0; i < 100; i++) {
      text.append("line ").append(i).append('\n');
    }
    TextSource source = TextSource.split("s", List.of(new Document("d", text.toString())), 200);
    assertEquals(
        "line 90\nline 91\nline 92\nline 93\nline 94\n", source.validation().getFirst().text());
    assertEquals("line 95\nline 96\nline 97\nline 98\nline 99\n", source.test().getFirst().text());
    assertTrue(source.characters() >= 200 && source.characters() < 210);
    assertTrue(source.beginning(0.15).getFirst().text().startsWith("line 0\n"));
    assertThrows(
        IllegalArgumentException.class,
        () -> TextSource.split("s", List.of(new Document("d", "one line")), 10));
  }

  @Test
  void questionsStandBeforeTheirAnswers(@TempDir Path folder) throws IOException {
    Path file = folder.resolve("a.jsonl");
    Files.writeString(
        file,
        Stream.of(
                "{'prompt':'2+2?','completion':'4'}",
                "{'prompt':'f():\\n','canonical_solution':'  pass'}",
                "{'text':'plain','prompt':'unused'}")
            .map(line -> line.replace('\'', '"') + "\n")
            .reduce("", String::concat));
    assertEquals(
        List.of("2+2?\n4", "f():\n  pass", "plain"),
        Texts.readAny(file).stream().map(Document::text).toList());
    Files.writeString(file, "{\"other\":1}\n");
    IOException e = assertThrows(IOException.class, () -> Texts.readAny(file));
    String message = String.valueOf(e.getMessage());
    assertTrue(message.contains("a.jsonl:1 has none of the fields"), message);
  }
}
