package io.heddle.text;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import io.heddle.text.AddedTokens.Added;
import io.heddle.text.AddedTokens.Search;
import io.heddle.text.AddedTokens.Stretch;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;

/**
 * Hugging Face's {@code tokenizer.json}: normalizer, pre-tokenizer, model (BPE, WordPiece, Unigram,
 * WordLevel), post-processor, decoder and added tokens, as their library reads them. Truncation and
 * padding are left to whoever makes batches.
 */
public final class TokenizerJson implements Tokenizer {
  /** The name of the file. */
  public static final String FILE = "tokenizer.json";

  // In the order in which a model that has several means the end of a text.
  private static final List<String> ENDS =
      List.of("<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>", "[SEP]", "<|im_end|>", "[EOS]");

  private final JsonNode json;
  private final Normalization normalization;
  private final PreTokenizer preTokenizer;
  private final JsonModels.Model model;
  private final JsonTemplate template;
  private final JsonDecoders.Decoder decoder;
  private final boolean byteLevel;
  private final AddedTokens added;
  private final List<Search> plainTokens;
  private final List<Search> allTokens;
  private final Map<String, Integer> ids;
  private final String[] pieces;
  private final @Nullable String end;

  private TokenizerJson(JsonNode json, @Nullable String end) {
    this.json = json;
    this.end = end;
    this.normalization = JsonNormalizers.of(json.path("normalizer"));
    this.preTokenizer = JsonPreTokenizers.of(json.path("pre_tokenizer"));
    this.ids = JsonModels.vocabulary(json.path("model"));
    this.model = JsonModels.cached(JsonModels.of(json.path("model"), Map.copyOf(ids)));
    this.template = JsonTemplate.of(json.path("post_processor"));
    this.decoder = JsonDecoders.of(json.path("decoder"));
    this.byteLevel = JsonParts.type(json.path("decoder")).equals("ByteLevel");
    this.added = new AddedTokens(json.path("added_tokens"));
    this.plainTokens = tokens(false);
    this.allTokens = tokens(true);
    added.all().forEach(a -> ids.put(a.text(), a.id()));
    int size = ids.values().stream().mapToInt(id -> id + 1).max().orElse(0);
    this.pieces = new String[size];
    Arrays.fill(pieces, "");
    ids.forEach((piece, id) -> pieces[id] = piece);
    // The library writes an added token as it stands in the normalized text.
    for (Added a : added.all()) {
      pieces[a.id()] = a.normalized() ? normalization.of(a.text()) : a.text();
    }
  }

  private List<Search> tokens(boolean special) {
    return List.of(
        added.searched(false, special, normalization),
        added.searched(true, special, normalization));
  }

  /**
   * Reads the file, or a folder's. The end of a text is {@code eos_token} of {@code
   * tokenizer_config.json} beside it, else one of the usual names.
   *
   * @throws IllegalArgumentException naming the file and the part of it that is not supported
   */
  public static TokenizerJson load(Path path) throws IOException {
    Path file = Files.isDirectory(path) ? path.resolve(FILE) : path;
    Path config = file.resolveSibling("tokenizer_config.json");
    String end = null;
    if (Files.exists(config)) {
      JsonNode token = TextFiles.json(config).path("eos_token");
      String name = token.isObject() ? token.path("content").asText() : token.asText("");
      end = name.isEmpty() ? null : name;
    }
    try {
      return new TokenizerJson(TextFiles.json(file), end);
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException(file + ": " + e.getMessage(), e);
    }
  }

  /** From its parts. */
  static TokenizerJson of(JsonNode json) {
    return new TokenizerJson(json, null);
  }

  /** The ids of the text alone; added tokens that are no special ones are recognised. */
  @Override
  public int[] encode(String text) {
    return encode(text, plainTokens);
  }

  /** The ids of a text in which special tokens may be written. */
  public int[] encodeWithSpecials(String text) {
    return encode(text, allTokens);
  }

  /** The ids of a text with the special tokens that models expect round it. */
  public int[] encodeSequence(String text) {
    return template.around(encode(text));
  }

  /** The ids of a pair of texts with the special tokens that models expect round them. */
  public int[] encodePair(String first, String second) {
    return template.around(encode(first), encode(second));
  }

  /** What stands in front of a sequence, and the ids of {@code text}. */
  @Override
  public int[] prompt(String text) {
    Ids out = new Ids(text.length() / 2);
    out.add(template.before());
    out.add(encode(text));
    int[] found = out.toArray();
    return found.length > 0 ? found : endOfText().stream().toArray();
  }

  private int[] encode(String text, List<Search> tokens) {
    Ids out = new Ids(text.length() / 3);
    for (Stretch raw : AddedTokens.cut(WordScanner.wellFormed(text), true, tokens.getFirst())) {
      if (!raw.isText()) {
        out.add(raw.id());
        continue;
      }
      String normal = normalization.of(raw.text());
      for (Stretch stretch : AddedTokens.cut(normal, raw.atStart(), tokens.getLast())) {
        if (stretch.isText()) {
          for (String word : preTokenizer.cut(List.of(stretch.text()), stretch.atStart())) {
            out.add(model.ids(word));
          }
        } else {
          out.add(stretch.id());
        }
      }
    }
    return out.toArray();
  }

  /** The text, with special tokens as they are written. */
  @Override
  public String decode(int... tokens) {
    List<String> parts = new ArrayList<>(tokens.length);
    for (int id : tokens) {
      parts.add(token(id));
    }
    return String.join("", decoder.decode(parts));
  }

  /** The text without special tokens. */
  public String decodeText(int... tokens) {
    return decode(Arrays.stream(tokens).filter(id -> !added.isSpecial(id)).toArray());
  }

  @Override
  public byte[] decodeBytes(int... tokens) {
    if (byteLevel) {
      return JsonDecoders.bytes(Arrays.stream(tokens).mapToObj(this::token).toList());
    }
    return decode(tokens).getBytes(StandardCharsets.UTF_8);
  }

  @Override
  public int vocabularySize() {
    return pieces.length;
  }

  @Override
  public String token(int id) {
    if (id < 0 || id >= pieces.length) {
      throw new IllegalArgumentException(
          "id " + id + " is not in the vocabulary of " + pieces.length);
    }
    return pieces[id];
  }

  @Override
  public OptionalInt id(String token) {
    Integer id = ids.get(token);
    return id == null ? OptionalInt.empty() : OptionalInt.of(id);
  }

  @Override
  public OptionalInt endOfText() {
    if (end != null) {
      return id(end);
    }
    return ENDS.stream()
        .map(this::id)
        .filter(OptionalInt::isPresent)
        .findFirst()
        .orElse(OptionalInt.empty());
  }

  /** Writes {@code tokenizer.json} as it was read, and what ends a text. */
  @Override
  public void save(Path folder) throws IOException {
    Files.createDirectories(folder);
    TextFiles.write(folder.resolve(FILE), json);
    if (end != null) {
      var config = JsonNodeFactory.instance.objectNode();
      TextFiles.write(folder.resolve("tokenizer_config.json"), config.put("eos_token", end));
    }
  }
}
