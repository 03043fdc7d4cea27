package io.heddle.text;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;

/**
 * The {@code post_processor} of a {@code tokenizer.json}: which special tokens stand round a text
 * or a pair of texts.
 */
final class JsonTemplate {
  private static final int FIRST = -1;
  private static final int SECOND = -2;

  /** Ids, or one of the two texts. */
  private final List<Integer> single;

  private final List<Integer> pair;

  private JsonTemplate(List<Integer> single, List<Integer> pair) {
    this.single = single;
    this.pair = pair;
  }

  static JsonTemplate of(JsonNode part) {
    JsonTemplate plain = new JsonTemplate(List.of(FIRST), List.of(FIRST, SECOND));
    return switch (JsonParts.type(part)) {
      case "", "ByteLevel" -> plain;
      case "TemplateProcessing" ->
          new JsonTemplate(
              parts(part.path("single"), part.path("special_tokens")),
              parts(part.path("pair"), part.path("special_tokens")));
      case "BertProcessing" -> {
        int begin = part.path("cls").path(1).asInt();
        int end = part.path("sep").path(1).asInt();
        yield new JsonTemplate(List.of(begin, FIRST, end), List.of(begin, FIRST, end, SECOND, end));
      }
      case "RobertaProcessing" -> {
        int begin = part.path("cls").path(1).asInt();
        int end = part.path("sep").path(1).asInt();
        yield new JsonTemplate(
            List.of(begin, FIRST, end), List.of(begin, FIRST, end, end, SECOND, end));
      }
      case "Sequence" -> {
        JsonTemplate out = plain;
        for (JsonNode step : part.path("processors")) {
          JsonTemplate next = of(step);
          boolean adds = next.single.size() > 1 || next.pair.size() > 2;
          if (adds && out != plain) {
            throw new IllegalArgumentException(
                "a post_processor with two parts that add tokens is not supported");
          }
          out = adds ? next : out;
        }
        yield out;
      }
      default -> throw JsonParts.unsupported("post_processor", part);
    };
  }

  private static List<Integer> parts(JsonNode template, JsonNode tokens) {
    List<Integer> out = new ArrayList<>();
    for (JsonNode part : template) {
      if (part.has("Sequence")) {
        out.add(part.path("Sequence").path("id").asText().equals("A") ? FIRST : SECOND);
      } else {
        String name = part.path("SpecialToken").path("id").asText();
        JsonNode ids = tokens.path(name).path("ids");
        if (ids.isEmpty()) {
          throw new IllegalArgumentException("the post_processor has no ids for '" + name + "'");
        }
        ids.forEach(id -> out.add(id.asInt()));
      }
    }
    return out;
  }

  /** The ids before a text. */
  int[] before() {
    Ids out = new Ids(2);
    for (int part : single) {
      if (part < 0) {
        break;
      }
      out.add(part);
    }
    return out.toArray();
  }

  int[] around(int[] text) {
    return filled(single, text, text);
  }

  int[] around(int[] first, int[] second) {
    return filled(pair, first, second);
  }

  private static int[] filled(List<Integer> parts, int[] first, int[] second) {
    Ids out = new Ids(first.length + second.length + parts.size());
    for (int part : parts) {
      if (part == FIRST) {
        out.add(first);
      } else if (part == SECOND) {
        out.add(second);
      } else {
        out.add(part);
      }
    }
    return out.toArray();
  }
}
