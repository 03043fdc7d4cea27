package io.heddle.data;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.file.Path;

/** JSON values, one a line; blank lines are left out. */
public final class JsonLines {
  private static final ObjectMapper JSON =
      new ObjectMapper().enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);

  private JsonLines() {}

  /** The values of a file, gzipped or not. */
  public static DataStream<JsonNode> of(Path file) {
    return Lines.of(file).filter(line -> !line.isBlank()).map(JsonLines::parse);
  }

  /** The strings of one field of each object of a file. */
  public static DataStream<String> field(Path file, String name) {
    return of(file).map(node -> text(node, name));
  }

  // The stream puts file and line before the messages.
  private static JsonNode parse(String line) {
    try {
      return JSON.readTree(line);
    } catch (JsonProcessingException e) {
      throw new IllegalArgumentException("not JSON: " + e.getOriginalMessage(), e);
    }
  }

  private static String text(JsonNode node, String name) {
    JsonNode value = node.path(name);
    if (!value.isTextual()) {
      throw new IllegalArgumentException("no text in field '" + name + "'");
    }
    return value.asText();
  }
}
