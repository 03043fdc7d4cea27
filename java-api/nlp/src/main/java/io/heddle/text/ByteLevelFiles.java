package io.heddle.text;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** The files of a {@link ByteLevelBpe}: GPT-2's own, and those of Hugging Face. */
final class ByteLevelFiles {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final String CONFIG = "tokenizer_config.json";

  private ByteLevelFiles() {}

  static ByteLevelBpe load(Path folder) throws IOException {
    Path vocab = TextFiles.first(folder, "vocab.json", "encoder.json");
    Path merges = TextFiles.first(folder, "merges.txt", "vocab.bpe");
    Path single = folder.resolve("tokenizer.json");
    try {
      if (vocab != null && merges != null) {
        return pair(vocab, merges, folder.resolve(CONFIG));
      }
      if (Files.exists(single)) {
        return single(single);
      }
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException(folder + ": " + e.getMessage(), e);
    }
    throw new IllegalArgumentException(
        folder + " has neither vocab.json with merges.txt nor tokenizer.json");
  }

  private static ByteLevelBpe pair(Path vocab, Path merges, Path config) throws IOException {
    Map<String, Integer> ids = new LinkedHashMap<>();
    TextFiles.json(vocab).properties().forEach(e -> ids.put(e.getKey(), e.getValue().asInt(-1)));
    Set<String> specials = new LinkedHashSet<>();
    if (Files.exists(config)) {
      TextFiles.json(config)
          .path("added_tokens_decoder")
          .properties()
          .forEach(e -> added(e.getValue(), Integer.parseInt(e.getKey()), ids, specials));
    }
    return ByteLevelBpe.of(ids, TextFiles.lines(merges), specials);
  }

  private static void added(JsonNode token, int id, Map<String, Integer> ids, Set<String> all) {
    String content = token.path("content").asText();
    ids.put(content, id);
    if (token.path("special").asBoolean(true)) {
      all.add(content);
    }
  }

  private static ByteLevelBpe single(Path file) throws IOException {
    JsonNode json = TextFiles.json(file);
    JsonNode model = json.path("model");
    JsonNode cut = json.path("pre_tokenizer");
    boolean gpt2 =
        model.path("type").asText("BPE").equals("BPE")
            && cut.path("type").asText().equals("ByteLevel")
            && cut.path("use_regex").asBoolean(true);
    if (!gpt2) {
      throw new IllegalArgumentException(
          "tokenizer.json is not a byte-level BPE with GPT-2's words (model type BPE, pre_tokenizer"
              + " ByteLevel)");
    }
    boolean plain =
        json.path("normalizer").isEmpty()
            && !cut.path("add_prefix_space").asBoolean(false)
            && !model.path("byte_fallback").asBoolean(false)
            && !model.path("ignore_merges").asBoolean(false)
            && model.path("continuing_subword_prefix").asText("").matches("|null")
            && model.path("end_of_word_suffix").asText("").matches("|null");
    if (!plain) {
      throw new IllegalArgumentException(
          "tokenizer.json asks for a normalizer, add_prefix_space, byte_fallback, ignore_merges or"
              + " a subword mark, which are not supported");
    }
    Map<String, Integer> ids = new LinkedHashMap<>();
    model.path("vocab").properties().forEach(e -> ids.put(e.getKey(), e.getValue().asInt(-1)));
    Set<String> specials = new LinkedHashSet<>();
    json.path("added_tokens").forEach(t -> added(t, t.path("id").asInt(-1), ids, specials));
    List<String> lines = new ArrayList<>();
    for (JsonNode m : model.path("merges")) {
      lines.add(m.isArray() ? m.path(0).asText() + " " + m.path(1).asText() : m.asText());
    }
    return ByteLevelBpe.of(ids, lines, specials);
  }

  static void save(ByteLevelBpe tokenizer, Path folder) throws IOException {
    Files.createDirectories(folder);
    ObjectNode vocab = JSON.createObjectNode();
    for (int i = 0; i < tokenizer.vocabularySize(); i++) {
      vocab.put(tokenizer.token(i), i);
    }
    Files.writeString(folder.resolve("vocab.json"), JSON.writeValueAsString(vocab));
    StringBuilder lines = new StringBuilder("#version: 0.2\n");
    tokenizer.merges().forEach(m -> lines.append(m[0]).append(' ').append(m[1]).append('\n'));
    Files.writeString(folder.resolve("merges.txt"), lines);
    ObjectNode config = JSON.createObjectNode();
    config.put("tokenizer_class", "GPT2Tokenizer").put("add_prefix_space", false);
    ObjectNode added = config.putObject("added_tokens_decoder");
    for (String special : tokenizer.specials()) {
      ObjectNode one = added.putObject(String.valueOf(tokenizer.id(special).orElseThrow()));
      one.put("content", special).put("special", true).put("normalized", false);
      one.put("lstrip", false).put("rstrip", false).put("single_word", false);
    }
    if (tokenizer.endOfText().isPresent()) {
      for (String role : List.of("bos_token", "eos_token", "unk_token")) {
        config.put(role, ByteLevelBpe.END_OF_TEXT);
      }
    }
    TextFiles.write(folder.resolve(CONFIG), config);
  }
}
