package io.heddle.text;

import com.fasterxml.jackson.databind.JsonNode;
import io.heddle.text.SentencePieceModel.Kind;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The {@code model} of a {@code tokenizer.json}: the ids of a word. */
final class JsonModels {
  private JsonModels() {}

  /** The ids of a word, which may be none. */
  @FunctionalInterface
  interface Model {
    int[] ids(String word);
  }

  /** The vocabulary, piece to id. */
  static Map<String, Integer> vocabulary(JsonNode model) {
    Map<String, Integer> out = new HashMap<>();
    JsonNode vocab = model.path("vocab");
    if (vocab.isArray()) {
      vocab.forEach(entry -> out.putIfAbsent(entry.path(0).asText(), out.size()));
    } else {
      vocab.properties().forEach(e -> out.put(e.getKey(), e.getValue().asInt()));
    }
    return out;
  }

  static Model of(JsonNode model, Map<String, Integer> ids) {
    String type = JsonParts.type(model);
    if (type.isEmpty()) {
      // Files of old versions do not say.
      type = model.has("merges") ? "BPE" : model.path("vocab").isArray() ? "Unigram" : "WordPiece";
    }
    return switch (type) {
      case "BPE" -> new Bpe(model, ids);
      case "WordPiece" -> wordPiece(model, ids);
      case "WordLevel" -> {
        Integer unknown = ids.get(model.path("unk_token").asText());
        yield word -> {
          Integer id = ids.getOrDefault(word, unknown);
          return id == null ? new int[0] : new int[] {id};
        };
      }
      case "Unigram" -> unigram(model, ids);
      default -> throw JsonParts.unsupported("model", model);
    };
  }

  private static Model wordPiece(JsonNode model, Map<String, Integer> ids) {
    String unknown = model.path("unk_token").asText(WordPiece.UNKNOWN);
    Integer id = ids.get(unknown);
    if (id == null) {
      throw new IllegalArgumentException("the vocabulary has no " + unknown);
    }
    return new LongestPieces(
            byId(ids),
            model.path("continuing_subword_prefix").asText("##"),
            id,
            model.path("max_input_chars_per_word").asInt(100))
        ::spell;
  }

  private static List<String> byId(Map<String, Integer> ids) {
    int size = ids.values().stream().mapToInt(id -> id + 1).max().orElse(0);
    String[] out = new String[size];
    Arrays.fill(out, "");
    ids.forEach((piece, id) -> out[id] = piece);
    return List.of(out);
  }

  /** The ids of a text's bytes as pieces {@code <0x41>}, or null if one is missing. */
  private static int @Nullable [] bytes(String text, Map<String, Integer> ids) {
    byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
    int[] out = new int[utf8.length];
    for (int i = 0; i < out.length; i++) {
      Integer id = ids.get(String.format("<0x%02X>", utf8[i]));
      if (id == null) {
        return null;
      }
      out[i] = id;
    }
    return out;
  }

  // The model is written as SentencePiece would, and cut by the same code.
  private static Model unigram(JsonNode model, Map<String, Integer> ids) {
    int unknown = model.path("unk_id").asInt(-1);
    Protobuf.Writer file = new Protobuf.Writer();
    int id = 0;
    for (JsonNode entry : model.path("vocab")) {
      Protobuf.Writer piece = new Protobuf.Writer().string(1, entry.path(0).asText());
      piece.real(2, (float) entry.path(1).asDouble());
      Kind kind = id++ == unknown ? Kind.UNKNOWN : Kind.NORMAL;
      file.bytes(1, piece.integer(3, kind.number).message());
    }
    UnigramSegmenter segmenter = new UnigramSegmenter(new SentencePieceModel(file.message()));
    boolean fallback = model.path("byte_fallback").asBoolean(false);
    return word -> {
      Ids out = new Ids(word.length() / 2);
      int from = 0;
      boolean afterUnknown = false;
      for (Segmenter.Part part : segmenter.cut(word)) {
        boolean isUnknown = part.id() == unknown;
        int[] bytes = isUnknown && fallback ? bytes(word.substring(from, part.end()), ids) : null;
        if (bytes != null) {
          out.add(bytes);
        } else if (!(isUnknown && afterUnknown)) {
          out.add(part.id());
        }
        afterUnknown = isUnknown && bytes == null;
        from = part.end();
      }
      return out.toArray();
    };
  }

  /** Byte-pair encoding over characters (which may stand for bytes). */
  private static final class Bpe implements Model {
    private final Map<String, Integer> ids;
    private final PairTable pairs;
    private final @Nullable Integer unknown;
    private final boolean fuse;
    private final boolean fallback;
    private final boolean whole;
    private final String inside;
    private final String last;

    Bpe(JsonNode model, Map<String, Integer> ids) {
      this.ids = ids;
      this.unknown = ids.get(model.path("unk_token").asText(""));
      this.fuse = model.path("fuse_unk").asBoolean(false);
      this.fallback = model.path("byte_fallback").asBoolean(false);
      this.whole = model.path("ignore_merges").asBoolean(false);
      this.inside = text(model.path("continuing_subword_prefix"));
      this.last = text(model.path("end_of_word_suffix"));
      if (model.path("dropout").asDouble(0) != 0) {
        throw new IllegalArgumentException("a BPE with dropout is not supported");
      }
      JsonNode merges = model.path("merges");
      this.pairs = new PairTable(merges.size());
      int rank = 0;
      for (JsonNode merge : merges) {
        put(merge, rank++);
      }
    }

    private static String text(JsonNode node) {
      return node.isTextual() ? node.asText() : "";
    }

    private void put(JsonNode merge, int rank) {
      String[] pair =
          merge.isArray()
              ? new String[] {merge.path(0).asText(), merge.path(1).asText()}
              : merge.asText().split(" ", -1);
      String right = pair.length == 2 ? pair[1] : "";
      String rest = right.startsWith(inside) ? right.substring(inside.length()) : right;
      Integer a = ids.get(pair[0]);
      Integer b = ids.get(right);
      Integer joined = ids.get(pair[0] + rest);
      if (a == null || b == null || joined == null) {
        throw new IllegalArgumentException(
            "merge " + (rank + 1) + " (" + merge + ") is not of pieces of the vocabulary");
      }
      pairs.put(a, b, rank, joined);
    }

    @Override
    public int[] ids(String word) {
      Integer known = whole ? ids.get(word) : null;
      if (known != null) {
        return new int[] {known};
      }
      Ids out = new Ids(word.length());
      boolean afterUnknown = false;
      for (int at = 0; at < word.length(); ) {
        int end = word.offsetByCodePoints(at, 1);
        String symbol =
            (at > 0 ? inside : "") + word.substring(at, end) + (end == word.length() ? last : "");
        Integer id = ids.get(symbol);
        int[] bytes = id == null && fallback ? bytes(symbol, ids) : null;
        if (id != null) {
          out.add(id);
        } else if (bytes != null) {
          out.add(bytes);
        } else if (unknown != null && !(fuse && afterUnknown)) {
          out.add(unknown);
        }
        afterUnknown = id == null && bytes == null;
        at = end;
      }
      int[] symbols = out.toArray();
      return Arrays.copyOf(symbols, pairs.merge(symbols, symbols.length));
    }
  }

  /** A model that remembers the words it has seen. */
  static Model cached(Model model) {
    WordCache<int[]> known = new WordCache<>(model::ids);
    return word -> known.get(word, 0, word.length());
  }
}
