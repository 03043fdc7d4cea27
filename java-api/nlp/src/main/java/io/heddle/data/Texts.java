package io.heddle.data;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import java.util.zip.GZIPInputStream;

/** Reads documents from files: text, JSONL (field {@code text}), either gzipped, and folders of them. */
public final class Texts {
  private static final ObjectMapper JSON = new ObjectMapper();

  private Texts() {}

  /** The documents of a file, or of all text and JSONL files below a folder in the order of their names. */
  public static List<Document> read(Path path) throws IOException {
    if (!Files.exists(path)) {
      throw new IllegalArgumentException("no data at " + path + ": it does not exist");
    }
    if (!Files.isDirectory(path)) {
      return file(path);
    }
    List<Document> out = new ArrayList<>();
    try (Stream<Path> all = Files.walk(path)) {
      for (Path file : (Iterable<Path>) all.filter(Files::isRegularFile).filter(Texts::isText).sorted()::iterator) {
        out.addAll(file(file));
      }
    }
    if (out.isEmpty()) {
      throw new IllegalArgumentException(path + " has no .txt or .jsonl file, gzipped or not");
    }
    return out;
  }

  private static boolean isText(Path file) {
    return file.toString().matches(".*\\.(txt|jsonl)(\\.gz)?");
  }

  private static List<Document> file(Path file) throws IOException {
    byte[] bytes = Files.readAllBytes(file);
    if (file.toString().endsWith(".gz")) {
      try (GZIPInputStream in = new GZIPInputStream(new ByteArrayInputStream(bytes))) {
        bytes = in.readAllBytes();
      } catch (IOException e) {
        throw new IOException(file + " cannot be unpacked: " + e.getMessage(), e);
      }
    }
    String text;
    try {
      text = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
    } catch (CharacterCodingException e) {
      throw new IOException(file + " is not UTF-8 text", e);
    }
    if (!file.toString().matches(".*\\.jsonl(\\.gz)?")) {
      return List.of(new Document(file.toString(), text));
    }
    List<Document> out = new ArrayList<>();
    int number = 0;
    for (String line : text.split("\n", -1)) {
      number++;
      if (!line.isBlank()) {
        JsonNode node = JSON.readTree(line).path("text");
        if (!node.isTextual()) {
          throw new IOException(file + ":" + number + " has no field 'text'");
        }
        out.add(new Document(file + ":" + number, node.asText()));
      }
    }
    return out;
  }
}
