package io.heddle.checkpoint;

import java.util.Map;

/** Writes JSON; characters beyond ASCII are left as they are. */
public final class JsonText {
  private JsonText() {}

  /** {@code text} as a JSON string, in quotes. */
  public static String quote(String text) {
    return quote(new StringBuilder(), text).toString();
  }

  /** Appends {@code text} as a JSON string, in quotes. */
  static StringBuilder quote(StringBuilder out, String text) {
    out.append('"');
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      switch (c) {
        case '"' -> out.append("\\\"");
        case '\\' -> out.append("\\\\");
        case '\b' -> out.append("\\b");
        case '\f' -> out.append("\\f");
        case '\n' -> out.append("\\n");
        case '\r' -> out.append("\\r");
        case '\t' -> out.append("\\t");
        default -> {
          if (c < 0x20) {
            out.append(String.format("\\u%04x", (int) c));
          } else {
            out.append(c);
          }
        }
      }
    }
    return out.append('"');
  }

  /** Appends an object of strings. */
  static StringBuilder object(StringBuilder out, Map<String, String> members) {
    out.append('{');
    String comma = "";
    for (Map.Entry<String, String> member : members.entrySet()) {
      quote(out.append(comma), member.getKey());
      quote(out.append(':'), member.getValue());
      comma = ",";
    }
    return out.append('}');
  }

  /** Appends an array of numbers. */
  static StringBuilder array(StringBuilder out, long... numbers) {
    out.append('[');
    for (int i = 0; i < numbers.length; i++) {
      out.append(i == 0 ? "" : ",").append(numbers[i]);
    }
    return out.append(']');
  }
}
