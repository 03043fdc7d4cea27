package io.heddle.text;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.zip.GZIPInputStream;
import org.jspecify.annotations.Nullable;

/** Reads text files, those that tokenizers are kept in among them, gzipped or not. */
public final class TextFiles {
  private static final ObjectMapper JSON = new ObjectMapper();

  private TextFiles() {}

  /** The first of these files that a folder has, as it is or gzipped, or null. */
  static @Nullable Path first(Path folder, String... names) {
    for (String name : names) {
      for (String suffix : List.of("", ".gz")) {
        Path file = folder.resolve(name + suffix);
        if (Files.exists(file)) {
          return file;
        }
      }
    }
    return null;
  }

  /** The bytes of a file, unpacked if its name ends in .gz. */
  public static byte[] bytes(Path file) throws IOException {
    byte[] bytes = Files.readAllBytes(file);
    if (file.toString().endsWith(".gz")) {
      try (GZIPInputStream in = new GZIPInputStream(new ByteArrayInputStream(bytes))) {
        return in.readAllBytes();
      } catch (IOException e) {
        throw new IOException(file + " cannot be unpacked: " + e.getMessage(), e);
      }
    }
    return bytes;
  }

  static String text(Path file) throws IOException {
    return new String(bytes(file), StandardCharsets.UTF_8);
  }

  /** Lines, cut at \n and \r\n only: a piece may hold U+0085 or U+2028. */
  static List<String> lines(Path file) throws IOException {
    return Arrays.asList(text(file).split("\r?\n"));
  }

  static JsonNode json(Path file) throws IOException {
    try {
      return JSON.readTree(text(file));
    } catch (JsonProcessingException e) {
      throw new IOException(file + " is not JSON: " + e.getOriginalMessage(), e);
    }
  }

  /** Writes JSON that a person can read. */
  static void write(Path file, JsonNode json) throws IOException {
    Files.writeString(file, JSON.writerWithDefaultPrettyPrinter().writeValueAsString(json) + "\n");
  }
}
