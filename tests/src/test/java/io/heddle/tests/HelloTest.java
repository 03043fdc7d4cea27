package io.heddle.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

/** The README's program tells the known story, with every line it has. */
class HelloTest {
  @Test
  void tellsTheKnownStory() throws IOException {
    Path folder = Repository.data("tiny-model-stories260k");
    PrintStream before = System.out;
    ByteArrayOutputStream heard = new ByteArrayOutputStream();
    System.setOut(new PrintStream(heard, true, StandardCharsets.UTF_8));
    try {
      Hello.main(
          folder.resolve("stories260K.safetensors").toString(),
          folder.resolve("tok512.bin").toString(),
          "Once upon a time");
    } finally {
      System.setOut(before);
    }
    String text = heard.toString(StandardCharsets.UTF_8).strip();
    String known = Files.readString(folder.resolve("expected_greedy_200.txt")).strip();
    assertEquals(known.substring(0, text.length()), text);
    assertEquals("Once upon a time", text.substring(0, 16));
  }

  @Test
  void isShort() throws IOException {
    Path file = Repository.root().resolve("tests/src/test/java/io/heddle/tests/Hello.java");
    String body = Files.readString(file).replaceAll("(?s).*static void main", "void main");
    assertEquals(9, body.lines().filter(line -> !line.equals("}")).count());
  }
}
