package io.heddle.models;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Set;

/**
 * How a model wants to be asked: {@code generation_config.json}, or the same keys of {@code
 * config.json} as older checkpoints have them.
 *
 * @param ends tokens that end a text
 * @param start first token of an encoder-decoder's target; -1 where none is named
 * @param maxNewTokens most tokens to write; 0 where nothing is said
 * @param options how to choose tokens; greedy unless {@code do_sample}
 */
public record GenerationConfig(
    Set<Integer> ends, int start, int maxNewTokens, Sampler.Options options) {
  /** Copies the set. */
  public GenerationConfig {
    ends = Set.copyOf(ends);
  }

  /** Reads the files of a model's folder; both may be missing. */
  public static GenerationConfig read(Path folder) throws IOException {
    JsonNode own = tree(folder.resolve("generation_config.json"));
    JsonNode old = tree(folder.resolve("config.json"));
    Set<Integer> ends = new HashSet<>();
    JsonNode end = either(own, old, "eos_token_id");
    if (end.isArray()) {
      end.forEach(id -> ends.add(id.asInt()));
    } else if (end.isInt()) {
      ends.add(end.asInt());
    }
    boolean sample = either(own, old, "do_sample").asBoolean(false);
    Sampler.Options options =
        sample
            ? new Sampler.Options(
                either(own, old, "temperature").asDouble(1),
                either(own, old, "top_k").asInt(50),
                either(own, old, "top_p").asDouble(1),
                0)
            : Sampler.Options.GREEDY;
    return new GenerationConfig(
        ends,
        either(own, old, "decoder_start_token_id").asInt(-1),
        either(own, old, "max_new_tokens").asInt(0),
        options);
  }

  private static JsonNode tree(Path file) throws IOException {
    ObjectMapper json = new ObjectMapper();
    return Files.exists(file) ? json.readTree(file.toFile()) : json.createObjectNode();
  }

  private static JsonNode either(JsonNode own, JsonNode old, String key) {
    return own.hasNonNull(key) ? own.path(key) : old.path(key);
  }
}
