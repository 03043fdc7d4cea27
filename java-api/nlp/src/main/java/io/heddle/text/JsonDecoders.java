package io.heddle.text;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The {@code decoder} of a {@code tokenizer.json}: rewrites pieces, which are then put together.
 */
final class JsonDecoders {
  private static final Pattern BYTE = Pattern.compile("<0x[0-9A-Fa-f]{2}>");
  private static final int HEX_DIGITS = 3;

  private JsonDecoders() {}

  /** One step. */
  @FunctionalInterface
  interface Decoder {
    List<String> decode(List<String> pieces);
  }

  static Decoder of(JsonNode part) {
    return switch (JsonParts.type(part)) {
      case "" -> pieces -> List.of(String.join(" ", pieces));
      case "Sequence" -> {
        List<Decoder> steps = JsonParts.each(part.path("decoders"), JsonDecoders::of);
        yield pieces -> {
          List<String> out = pieces;
          for (Decoder step : steps) {
            out = step.decode(out);
          }
          return out;
        };
      }
      case "ByteLevel" -> pieces -> List.of(new String(bytes(pieces), StandardCharsets.UTF_8));
      case "WordPiece" ->
          wordPiece(part.path("prefix").asText("##"), part.path("cleanup").asBoolean(true));
      case "Metaspace" -> {
        String mark = part.path("replacement").asText(PieceNormalizer.SPACE);
        boolean drop = !JsonPreTokenizers.prependScheme(part).equals("never");
        yield each((i, piece) -> piece.replace(mark, i == 0 && drop ? "" : " "));
      }
      case "BPEDecoder" -> {
        String suffix = part.path("suffix").asText("</w>");
        yield pieces -> {
          List<String> out = new ArrayList<>(pieces);
          int last = out.size() - 1;
          out.replaceAll(piece -> piece.replace(suffix, " "));
          if (last >= 0) {
            out.set(last, pieces.get(last).replace(suffix, ""));
          }
          return out;
        };
      }
      case "Replace" -> {
        Pattern pattern = JsonParts.pattern(part.path("pattern"));
        String by = Matcher.quoteReplacement(part.path("content").asText());
        yield each((i, piece) -> pattern.matcher(piece).replaceAll(by));
      }
      case "Fuse" -> pieces -> List.of(String.join("", pieces));
      case "Strip" -> {
        String content = part.path("content").asText(" ");
        int start = part.path("start").asInt();
        int stop = part.path("stop").asInt();
        yield each((i, piece) -> stripped(piece, content, start, stop));
      }
      case "ByteFallback" -> JsonDecoders::byteFallback;
      default -> throw JsonParts.unsupported("decoder", part);
    };
  }

  /** A rewriting of a piece that knows its place. */
  private interface Rewriting {
    String of(int place, String piece);
  }

  private static Decoder each(Rewriting rewriting) {
    return pieces -> {
      List<String> out = new ArrayList<>(pieces.size());
      for (int i = 0; i < pieces.size(); i++) {
        out.add(rewriting.of(i, pieces.get(i)));
      }
      return out;
    };
  }

  /** The bytes that pieces in GPT-2's alphabet stand for; others stand for themselves. */
  static byte[] bytes(List<String> pieces) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    for (String piece : pieces) {
      byte[] read = ByteAlphabet.read(piece);
      out.writeBytes(read == null ? piece.getBytes(StandardCharsets.UTF_8) : read);
    }
    return out.toByteArray();
  }

  private static Decoder wordPiece(String within, boolean tidy) {
    return each(
        (i, piece) -> {
          String text = piece;
          if (i > 0) {
            text = piece.startsWith(within) ? piece.substring(within.length()) : " " + piece;
          }
          return tidy ? WordPiece.tidy(text.replace(" do not", " don't")) : text;
        });
  }

  private static String stripped(String piece, String content, int start, int stop) {
    int from = 0;
    for (int i = 0; i < start && piece.startsWith(content, from); i++) {
      from += content.length();
    }
    int to = piece.length();
    for (int i = 0; i < stop && to > from && piece.substring(from, to).endsWith(content); i++) {
      to -= content.length();
    }
    return piece.substring(from, to);
  }

  private static List<String> byteFallback(List<String> pieces) {
    List<String> out = new ArrayList<>();
    ByteArrayOutputStream run = new ByteArrayOutputStream();
    for (String piece : pieces) {
      if (BYTE.matcher(piece).matches()) {
        run.write(Integer.parseInt(piece.substring(HEX_DIGITS, HEX_DIGITS + 2), 16));
      } else {
        flush(run, out);
        out.add(piece);
      }
    }
    flush(run, out);
    return out;
  }

  // A run of bytes that is not UTF-8 as a whole becomes as many question marks.
  private static void flush(ByteArrayOutputStream run, List<String> out) {
    if (run.size() > 0) {
      try {
        ByteBuffer bytes = ByteBuffer.wrap(run.toByteArray());
        out.add(StandardCharsets.UTF_8.newDecoder().decode(bytes).toString());
      } catch (CharacterCodingException e) {
        out.add("\uFFFD".repeat(run.size()));
      }
      run.reset();
    }
  }
}
