package io.heddle.text;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
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
    try {
      if (vocab != null && merges != null) {
        return pair(vocab, merges, folder.resolve(CONFIG));
      }
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException(folder + ": " + e.getMessage(), e);
    }
    throw new IllegalArgumentException(
        folder + " has neither vocab.json with merges.txt nor encoder.json with vocab.bpe");
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
