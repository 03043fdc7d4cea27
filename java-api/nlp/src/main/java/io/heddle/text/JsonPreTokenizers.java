package io.heddle.text;

import com.fasterxml.jackson.databind.JsonNode;
import io.heddle.text.PreTokenizer.Behavior;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.regex.Pattern;

/** The {@code pre_tokenizer} of a {@code tokenizer.json}. */
final class JsonPreTokenizers {
  private static final Pattern SPACE = unicode("[\\s\\x1c-\\x1f]");
  private static final Pattern WORDS = unicode("\\w+|[^\\w\\s]+");
  private static final Pattern NUMBER = unicode("\\p{N}");
  private static final Pattern MARK =
      unicode("[\\p{P}!-/:-@\\[-`{-~]"); // all of ASCII that is no letter, digit or space

  private JsonPreTokenizers() {}

  private static Pattern unicode(String expression) {
    return Pattern.compile(expression, Pattern.UNICODE_CHARACTER_CLASS);
  }

  static PreTokenizer of(JsonNode part) {
    return switch (JsonParts.type(part)) {
      case "" -> (words, atStart) -> words;
      case "Sequence" ->
          JsonParts.each(part.path("pretokenizers"), JsonPreTokenizers::of).stream()
              .reduce((words, atStart) -> words, PreTokenizer::then);
      case "ByteLevel" -> byteLevel(part);
      case "BertPreTokenizer" ->
          PreTokenizer.at(SPACE, Behavior.REMOVED, false)
              .then(PreTokenizer.at(MARK, Behavior.ISOLATED, false));
      case "Whitespace" -> PreTokenizer.at(WORDS, Behavior.REMOVED, true);
      case "WhitespaceSplit" -> PreTokenizer.at(SPACE, Behavior.REMOVED, false);
      case "Punctuation" -> PreTokenizer.at(MARK, behavior(part.path("behavior")), false);
      case "Digits" -> {
        boolean single = part.path("individual_digits").asBoolean(false);
        yield PreTokenizer.at(NUMBER, single ? Behavior.ISOLATED : Behavior.CONTIGUOUS, false);
      }
      case "Split" ->
          PreTokenizer.at(
              JsonParts.pattern(part.path("pattern")),
              behavior(part.path("behavior")),
              part.path("invert").asBoolean(false));
      case "CharDelimiterSplit" ->
          PreTokenizer.at(
              Pattern.compile(part.path("delimiter").asText(), Pattern.LITERAL),
              Behavior.REMOVED,
              false);
      case "Metaspace" -> metaspace(part);
      default -> throw JsonParts.unsupported("pre_tokenizer", part);
    };
  }

  // "MergedWithPrevious" names the constant MERGED_WITH_PREVIOUS.
  private static Behavior behavior(JsonNode name) {
    String constant = name.asText("Isolated").replaceAll("(?<=[a-z])(?=[A-Z])", "_");
    try {
      return Behavior.valueOf(constant.toUpperCase(Locale.ROOT));
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException(
          "there is no behavior '" + name.asText() + "' of a pre_tokenizer", e);
    }
  }

  private static PreTokenizer byteLevel(JsonNode part) {
    boolean prefix = part.path("add_prefix_space").asBoolean(true);
    boolean words = part.path("use_regex").asBoolean(true);
    return (texts, atStart) -> {
      List<String> out = new ArrayList<>();
      for (String text : texts) {
        boolean begins = !text.isEmpty() && Spaces.isSpace(text.codePointAt(0));
        String whole = prefix && !begins ? " " + text : text;
        for (int from = 0; from < whole.length(); ) {
          int end = words ? WordScanner.next(whole, from) : whole.length();
          out.add(ByteAlphabet.write(whole.substring(from, end)));
          from = end;
        }
      }
      return out;
    };
  }

  /** When a Metaspace puts its mark in front of a word that has none. */
  static String prependScheme(JsonNode part) {
    boolean old = part.path("add_prefix_space").asBoolean(true);
    return part.path("prepend_scheme").asText(old ? "always" : "never");
  }

  private static PreTokenizer metaspace(JsonNode part) {
    String mark = part.path("replacement").asText(PieceNormalizer.SPACE);
    String scheme = prependScheme(part);
    Pattern pattern = Pattern.compile(mark, Pattern.LITERAL);
    PreTokenizer cut =
        part.path("split").asBoolean(true)
            ? PreTokenizer.at(pattern, Behavior.MERGED_WITH_NEXT, false)
            : (words, atStart) -> words;
    return (words, atStart) -> {
      List<String> marked = new ArrayList<>();
      for (String word : words) {
        String text = word.replace(" ", mark);
        boolean first = scheme.equals("first") && atStart && marked.isEmpty();
        boolean prepend = scheme.equals("always") || first;
        marked.add(prepend && !text.startsWith(mark) ? mark + text : text);
      }
      return cut.cut(marked, atStart);
    };
  }
}
