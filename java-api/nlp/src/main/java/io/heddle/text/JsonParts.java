package io.heddle.text;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import java.util.regex.Pattern;

/** What the parts of a {@code tokenizer.json} have in common. */
final class JsonParts {
  private JsonParts() {}

  /** The type of a part, or nothing where there is none. */
  static String type(JsonNode part) {
    return part.path("type").asText();
  }

  static IllegalArgumentException unsupported(String what, JsonNode part) {
    return new IllegalArgumentException("the " + what + " '" + type(part) + "' is not supported");
  }

  /** What is read from each part of a sequence. */
  static <T> List<T> each(JsonNode list, Function<JsonNode, T> read) {
    List<T> out = new ArrayList<>();
    list.forEach(part -> out.add(read.apply(part)));
    return out;
  }

  /** A pattern: {@code {"String": ...}} or {@code {"Regex": ...}}. */
  static Pattern pattern(JsonNode pattern) {
    String literal = pattern.isTextual() ? pattern.asText() : pattern.path("String").asText();
    return pattern.has("Regex")
        ? Pattern.compile(
            pattern.path("Regex").asText(), Pattern.UNICODE_CHARACTER_CLASS | Pattern.UNICODE_CASE)
        : Pattern.compile(literal, Pattern.LITERAL);
  }
}
