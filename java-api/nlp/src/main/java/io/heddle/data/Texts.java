package io.heddle.data;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;

/** Reads documents from files: text, JSONL, either gzipped, and folders of them. */
public final class Texts {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Pattern TEXT = Pattern.compile(".*\\.(txt|jsonl)(\\.gz)?");
  private static final Pattern LINES = Pattern.compile(".*\\.jsonl(\\.gz)?");

  // How data sets of language models write their examples, the first that fits counting.
  private static final List<List<String>> LAYOUTS =
      List.of(
          List.of("text"),
          List.of("prompt", "canonical_solution"),
          List.of("prompt", "completion"),
          List.of("inputs", "targets"));

  private Texts() {}

  /**
   * As {@link #read(Path, String)}, with the fields that each JSON object has: {@code text}, or a
   * question and its answer ({@code prompt} and {@code completion} or {@code canonical_solution},
   * {@code inputs} and {@code targets}), one after the other.
   */
  public static List<Document> readAny(Path path) throws IOException {
    return read(path, "");
  }

  /** As {@link #read(Path, String)} with the field {@code text}. */
  public static List<Document> read(Path path) throws IOException {
    return read(path, "text");
  }

  /**
   * The documents of a file, or of all {@code .txt} and {@code .jsonl} files below a folder,
   * gzipped or not, in the order of their names.
   *
   * @param field of each JSON object that holds the text
   * @throws IOException naming the file, and in JSONL the line, that cannot be read
   */
  public static List<Document> read(Path path, String field) throws IOException {
    if (!Files.exists(path)) {
      throw new IllegalArgumentException("no data at " + path + ": it does not exist");
    }
    if (!Files.isDirectory(path)) {
      return file(path, field);
    }
    List<Path> files = FileSets.below(path, file -> TEXT.matcher(file.toString()).matches());
    if (files.isEmpty()) {
      throw new IllegalArgumentException(path + " has no .txt or .jsonl file, gzipped or not");
    }
    List<Document> out = new ArrayList<>();
    for (Path file : files) {
      out.addAll(file(file, field));
    }
    return out;
  }

  private static List<Document> file(Path file, String field) throws IOException {
    String text = text(file);
    if (!LINES.matcher(file.toString()).matches()) {
      return List.of(new Document(file.toString(), text));
    }
    List<Document> out = new ArrayList<>();
    int number = 0;
    for (String line : text.split("\n", -1)) {
      number++;
      if (!line.isBlank()) {
        String name = file + ":" + number;
        out.add(new Document(name, field(line, field, name)));
      }
    }
    return out;
  }

  private static String field(String line, String field, String name) throws IOException {
    JsonNode object;
    try {
      object = JSON.readTree(line);
    } catch (JsonProcessingException e) {
      throw new IOException(name + " is not JSON: " + e.getOriginalMessage(), e);
    }
    if (field.isEmpty()) {
      return known(object, name);
    }
    JsonNode node = object.path(field);
    if (!node.isTextual()) {
      throw new IOException(name + " has no text in field '" + field + "'");
    }
    return node.asText();
  }

  private static String known(JsonNode object, String name) throws IOException {
    for (List<String> layout : LAYOUTS) {
      if (layout.stream().allMatch(field -> object.path(field).isTextual())) {
        StringBuilder text = new StringBuilder();
        for (String field : layout) {
          boolean open = !text.isEmpty() && !Character.isWhitespace(text.charAt(text.length() - 1));
          text.append(open ? "\n" : "").append(object.path(field).asText());
        }
        return text.toString();
      }
    }
    throw new IOException(name + " has none of the fields " + LAYOUTS);
  }

  private static String text(Path file) throws IOException {
    byte[] bytes;
    try (InputStream in = FileSets.open(file)) {
      bytes = in.readAllBytes();
    } catch (IOException e) {
      throw new IOException(file + " cannot be read: " + e.getMessage(), e);
    }
    try {
      return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
    } catch (CharacterCodingException e) {
      throw new IOException(file + " is not UTF-8 text: " + e.getMessage(), e);
    }
  }
}
