package io.heddle.data;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A document, what is asked of it, and what a good writer answers.
 *
 * @param document the text
 * @param question what is asked; null where only a summary is wanted
 * @param targets summaries or answers, any of which is right; the first is learnt from. Empty where
 *     they are not known
 */
public record PromptedText(String document, @Nullable String question, List<String> targets) {
  private static final List<String> DOCUMENT =
      List.of("document", "text", "article", "context", "report", "transcript", "passage");
  private static final List<String> QUESTION = List.of("question", "query");
  private static final List<String> TARGET =
      List.of("summary", "answers", "answer", "target", "highlights", "abstract", "output");

  /** Copies the list. */
  public PromptedText {
    targets = List.copyOf(targets);
  }

  /**
   * Which keys hold what; an empty string finds one of the usual names.
   *
   * @param document key of the document
   * @param question key of the question, which may be missing
   * @param target key of a text, of a list of texts, or, as SQuAD has it, of an object whose {@code
   *     text} is such a list
   */
  public record Keys(String document, String question, String target) {
    /** The usual names. */
    public static final Keys USUAL = new Keys("", "", "");
  }

  /**
   * Reads a file of JSON objects, one a line, gzipped or not.
   *
   * @param answered whether every example must have a target
   * @throws IOException naming file and line that cannot be read
   */
  public static List<PromptedText> read(Path file, Keys keys, boolean answered) throws IOException {
    List<PromptedText> out = new ArrayList<>();
    try (Cursor<PromptedText> cursor =
        JsonLines.of(file).map(node -> of(node, keys, answered)).open()) {
      for (PromptedText next = cursor.next(); next != null; next = cursor.next()) {
        out.add(next);
      }
    }
    if (out.isEmpty()) {
      throw new IllegalArgumentException(file + " has no examples");
    }
    return out;
  }

  private static PromptedText of(JsonNode node, Keys keys, boolean answered) {
    String document = text(node, key(node, keys.document, DOCUMENT, "document", true));
    String asked = key(node, keys.question, QUESTION, "question", false);
    String wanted = key(node, keys.target, TARGET, "target", answered);
    List<String> targets = new ArrayList<>();
    if (!wanted.isEmpty()) {
      JsonNode value = node.path(wanted);
      collect(value.isObject() ? value.path("text") : value, targets);
      if (targets.isEmpty() && answered) {
        throw new IllegalArgumentException("no text in key '" + wanted + "'");
      }
    }
    return new PromptedText(document, asked.isEmpty() ? null : text(node, asked), targets);
  }

  private static void collect(JsonNode value, List<String> out) {
    if (value.isTextual()) {
      out.add(value.asText());
    } else if (value.isArray()) {
      value.forEach(item -> collect(item, out));
    }
  }

  private static String text(JsonNode node, String key) {
    if (!node.path(key).isTextual()) {
      throw new IllegalArgumentException("key '" + key + "' is no text");
    }
    return node.path(key).asText();
  }

  private static String key(
      JsonNode node, String given, List<String> usual, String what, boolean needed) {
    if (!given.isEmpty()) {
      if (needed && !node.has(given)) {
        throw new IllegalArgumentException("no key '" + given + "' (--" + what + "-key)");
      }
      return node.has(given) ? given : "";
    }
    String found = usual.stream().filter(node::has).findFirst().orElse("");
    if (found.isEmpty() && needed) {
      throw new IllegalArgumentException(
          "no key is called as a "
              + what
              + " usually is "
              + usual
              + ": name it (--"
              + what
              + "-key)");
    }
    return found;
  }
}
