package io.heddle.text;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.text.Normalizer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The {@code normalizer} of a {@code tokenizer.json}. */
final class JsonNormalizers {
  private JsonNormalizers() {}

  static Normalization of(JsonNode part) {
    return switch (JsonParts.type(part)) {
      case "" -> Normalization.none();
      case "Sequence" ->
          JsonParts.each(part.path("normalizers"), JsonNormalizers::of).stream()
              .reduce(Normalization.none(), Normalization::then);
      case "NFC" -> Normalization.form(Normalizer.Form.NFC);
      case "NFD" -> Normalization.form(Normalizer.Form.NFD);
      case "NFKC" -> Normalization.form(Normalizer.Form.NFKC);
      case "NFKD" -> Normalization.form(Normalizer.Form.NFKD);
      case "Lowercase" -> JsonNormalizers::lower;
      case "StripAccents" -> Normalization.withoutMarks();
      case "Strip" ->
          strip(part.path("strip_left").asBoolean(true), part.path("strip_right").asBoolean(true));
      case "Prepend" -> {
        String first = part.path("prepend").asText();
        yield text -> text.isEmpty() ? text : first + text;
      }
      case "Replace" -> {
        Pattern pattern = JsonParts.pattern(part.path("pattern"));
        String by = Matcher.quoteReplacement(part.path("content").asText());
        yield text -> pattern.matcher(text).replaceAll(by);
      }
      case "BertNormalizer" -> bert(part);
      case "ByteLevel" -> ByteAlphabet::write;
      case "Precompiled" -> precompiled(part);
      default -> throw JsonParts.unsupported("normalizer", part);
    };
  }

  // Character by character, as Rust does it: no final sigma.
  private static String lower(String text) {
    StringBuilder out = new StringBuilder(text.length());
    text.codePoints()
        .forEach(
            c -> {
              if (c == 0x130) {
                out.append("i\u0307");
              } else {
                out.appendCodePoint(Character.toLowerCase(c));
              }
            });
    return out.toString();
  }

  private static Normalization strip(boolean left, boolean right) {
    return text -> {
      String end = right ? Spaces.stripEnd(text) : text;
      int from = 0;
      while (left && from < end.length() && Spaces.isSpace(end.charAt(from))) {
        from++;
      }
      return end.substring(from);
    };
  }

  private static Normalization bert(JsonNode part) {
    boolean lower = part.path("lowercase").asBoolean(true);
    JsonNode accents = part.path("strip_accents");
    Normalization out = Normalization.none();
    if (part.path("clean_text").asBoolean(true)) {
      out = out.then(JsonNormalizers::clean);
    }
    if (part.path("handle_chinese_chars").asBoolean(true)) {
      out = out.then(JsonNormalizers::spaceChinese);
    }
    if (accents.isBoolean() ? accents.asBoolean() : lower) {
      out = out.then(Normalization.withoutAccents());
    }
    return lower ? out.then(JsonNormalizers::lower) : out;
  }

  private static String clean(String text) {
    StringBuilder out = new StringBuilder(text.length());
    text.codePoints()
        .forEach(
            c -> {
              if (BertWords.isSpace(c)) {
                out.append(' ');
              } else if (!BertWords.isDropped(c)) {
                out.appendCodePoint(c);
              }
            });
    return out.toString();
  }

  private static String spaceChinese(String text) {
    StringBuilder out = new StringBuilder(text.length());
    text.codePoints()
        .forEach(
            c -> {
              boolean chinese = BertWords.isChinese(c);
              out.append(chinese ? " " : "").appendCodePoint(c).append(chinese ? " " : "");
            });
    return out.toString();
  }

  private static Normalization precompiled(JsonNode part) {
    try {
      CharsMap map = new CharsMap(part.path("precompiled_charsmap").binaryValue());
      var plain = new PieceNormalizer.Options(false, false, false, false);
      return new PieceNormalizer(map, plain, new PieceTrie())::normalize;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
