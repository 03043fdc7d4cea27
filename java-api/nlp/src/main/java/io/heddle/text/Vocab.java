package io.heddle.text;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;

/**
 * Words and their indices, in GluonNLP's order: the unknown token, named special tokens, padding,
 * begin and end of a sentence, reserved tokens, then counted tokens from the most frequent on,
 * equal ones by code point. Immutable.
 */
public final class Vocab {
  /** The name of the token that fills up rows. */
  public static final String PADDING = "padding_token";

  /** The name of the token that begins a sentence. */
  public static final String BEGIN = "bos_token";

  /** The name of the token that ends a sentence. */
  public static final String END = "eos_token";

  private static final ObjectMapper JSON = new ObjectMapper();

  private final List<String> tokens;
  private final Map<String, Integer> indices;
  private final @Nullable String unknown;
  private final Map<String, String> special; // name, e.g. "cls_token", to token
  private final List<String> reserved; // every special and reserved token but the unknown one

  private Vocab(
      List<String> tokens,
      @Nullable String unknown,
      Map<String, String> special,
      List<String> reserved) {
    this.tokens = List.copyOf(tokens);
    this.unknown = unknown;
    this.special = java.util.Collections.unmodifiableMap(new LinkedHashMap<>(special));
    this.reserved = List.copyOf(reserved);
    this.indices = new HashMap<>(2 * tokens.size());
    for (int i = 0; i < tokens.size(); i++) {
      indices.put(tokens.get(i), i);
    }
  }

  /**
   * A vocabulary with {@code <unk>}, {@code <pad>}, {@code <bos>}, {@code <eos>} and every counted
   * token; see {@link VocabBuilder} for others.
   */
  public static Vocab of(TokenCounts counts) {
    return new VocabBuilder(counts).build();
  }

  static Vocab ordered(
      List<String> tokens,
      @Nullable String unknown,
      Map<String, String> special,
      List<String> reserved) {
    return new Vocab(tokens, unknown, special, reserved);
  }

  /** Number of tokens. */
  public int size() {
    return tokens.size();
  }

  /** All tokens by index. */
  public List<String> tokens() {
    return tokens;
  }

  /**
   * The token of an index.
   *
   * @throws IndexOutOfBoundsException naming the size
   */
  public String token(int index) {
    if (index < 0 || index >= tokens.size()) {
      throw new IndexOutOfBoundsException(
          "token " + index + " of a vocabulary of " + tokens.size());
    }
    return tokens.get(index);
  }

  /** Whether the vocabulary has this token itself. */
  public boolean contains(String token) {
    return indices.containsKey(token);
  }

  /**
   * The index of a token, of the unknown token where it is not in the vocabulary.
   *
   * @throws IllegalArgumentException when the token is not there and no token stands for unknown
   */
  public int index(String token) {
    Integer found = indices.get(token);
    if (found == null && unknown != null) {
      found = indices.get(unknown);
    }
    if (found == null) {
      throw new IllegalArgumentException(
          "'" + token + "' is not in the vocabulary, which has no token for unknown ones");
    }
    return found;
  }

  /** The indices of tokens; see {@link #index}. */
  public int[] indices(List<String> words) {
    return words.stream().mapToInt(this::index).toArray();
  }

  /** The index of the unknown token; empty if there is none. */
  public OptionalInt unknown() {
    return unknown == null ? OptionalInt.empty() : OptionalInt.of(index(unknown));
  }

  /**
   * The index of a named token.
   *
   * @param name {@link #PADDING}, {@link #BEGIN}, {@link #END} or a name given to the builder, such
   *     as {@code cls_token}; empty if the vocabulary has none of this name
   */
  public OptionalInt special(String name) {
    String token = special.get(name);
    return token == null ? OptionalInt.empty() : OptionalInt.of(index(token));
  }

  /** Names of special tokens and the tokens. */
  public Map<String, String> specials() {
    return special;
  }

  /** Special and reserved tokens in their order, without the unknown one. */
  public List<String> reserved() {
    return reserved;
  }

  /** One JSON object with GluonNLP's keys. */
  public String toJson() {
    ObjectNode out = JSON.createObjectNode();
    var list = out.putArray("idx_to_token");
    tokens.forEach(list::add);
    ObjectNode map = out.putObject("token_to_idx");
    for (int i = 0; i < tokens.size(); i++) {
      map.put(tokens.get(i), i);
    }
    if (reserved.isEmpty()) {
      out.putNull("reserved_tokens");
    } else {
      var names = out.putArray("reserved_tokens");
      reserved.forEach(names::add);
    }
    out.put("unknown_token", unknown);
    ObjectNode names = out.putObject("identifiers_to_tokens");
    special.forEach(names::put);
    return out.toString();
  }

  /** Writes {@link #toJson} to a file. */
  public void save(Path file) throws IOException {
    java.nio.file.Files.writeString(file, toJson());
  }

  /**
   * Reads {@link #toJson}, or what GluonNLP wrote.
   *
   * @throws IOException naming the file and the key that is wrong
   */
  public static Vocab load(Path file) throws IOException {
    return read(TextFiles.json(file), file.toString());
  }

  /** Reads {@link #toJson}; {@code source} is named in errors. */
  public static Vocab fromJson(String json, String source) throws IOException {
    return read(JSON.readTree(json), source);
  }

  private static Vocab read(JsonNode json, String source) throws IOException {
    JsonNode list = json.path("idx_to_token");
    if (!list.isArray()) {
      throw new IOException(source + " is no vocabulary: it has no list 'idx_to_token'");
    }
    List<String> tokens = new ArrayList<>();
    for (JsonNode token : list) {
      tokens.add(token.asText());
    }
    if (tokens.stream().distinct().count() < tokens.size()) {
      throw new IOException(source + ": 'idx_to_token' has a token twice");
    }
    String unknown = json.path("unknown_token").textValue();
    Map<String, String> special = new LinkedHashMap<>();
    json.path("identifiers_to_tokens")
        .properties()
        .forEach(e -> special.put(e.getKey(), e.getValue().asText()));
    // Files from before GluonNLP 0.7 have these at the top.
    for (String name : List.of(PADDING, BEGIN, END)) {
      if (json.path(name).isTextual()) {
        special.putIfAbsent(name, json.path(name).asText());
      }
    }
    List<String> reserved = new ArrayList<>();
    json.path("reserved_tokens").forEach(token -> reserved.add(token.asText()));
    List<String> needed = new ArrayList<>(reserved);
    needed.addAll(special.values());
    if (unknown != null) {
      needed.add(unknown);
    }
    for (String token : needed) {
      if (!tokens.contains(token)) {
        throw new IOException(source + ": 'idx_to_token' lacks the special token '" + token + "'");
      }
    }
    return new Vocab(tokens, unknown, special, reserved);
  }

  @Override
  public boolean equals(@Nullable Object other) {
    return other instanceof Vocab v
        && tokens.equals(v.tokens)
        && special.equals(v.special)
        && reserved.equals(v.reserved)
        && java.util.Objects.equals(unknown, v.unknown);
  }

  @Override
  public int hashCode() {
    return tokens.hashCode();
  }

  @Override
  public String toString() {
    return "Vocab of " + size() + " tokens, unknown " + unknown + ", special " + special;
  }
}
