package io.heddle.models;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Locale;

/**
 * {@code config.json} as Hugging Face transformers writes it (versions 4 and 5). What those formats
 * cannot say, a mixed schedule, is kept under {@code heddle_schedule}; other readers ignore it and
 * see the family's own attention.
 */
final class HuggingFace {
  private static final ObjectMapper JSON =
      new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT);

  private HuggingFace() {}

  static ModelConfig read(JsonNode json, String file) {
    Keys keys = new Keys(json, file);
    String type = json.path("model_type").asText("");
    ModelConfig c = Family.of(type, file).shape().apply(keys);
    keys.finish();
    ModelConfig read =
        new ModelConfig(
            type,
            c.vocabulary(),
            c.context(),
            c.embedding(),
            c.stack(),
            c.target(),
            c.heads(),
            text(json));
    if (json.has("heddle_dropout")) {
      read = read.withDropout((float) json.path("heddle_dropout").asDouble());
    }
    return read.withSchedule(json.path("heddle_schedule").asText(""));
  }

  /** The configuration of {@code c}, with its element type. */
  static String write(ModelConfig c, String dtype) {
    ObjectNode json = tree(c.json());
    json.put(json.has("dtype") ? "dtype" : "torch_dtype", dtype.toLowerCase(Locale.ROOT));
    json.put("vocab_size", c.vocabulary());
    return text(json) + "\n";
  }

  // Tables of some families have rows before position 0, so the numbers change by the same amount.
  static ModelConfig withContext(ModelConfig c, int context) {
    ObjectNode json = tree(c.json());
    for (String key :
        new String[] {"n_positions", "max_position_embeddings", "n_ctx", "seq_length"}) {
      if (json.path(key).isInt()) {
        json.put(key, Math.addExact(json.path(key).asInt(), context - c.context()));
      }
    }
    ModelConfig out = read(json, "the configuration");
    if (out.context() != context) {
      // Not said so far: the family's own default.
      json.put(c.family().equals("bloom") ? "seq_length" : "max_position_embeddings", context);
      out = read(json, "the configuration");
    }
    if (out.context() != context) {
      throw new IllegalArgumentException(
          "a "
              + c.family()
              + " model has no limit on its context that could become "
              + context
              + " (now "
              + c.context()
              + ")");
    }
    return out.withSchedule(c.schedule());
  }

  static ModelConfig untied(ModelConfig c) {
    return read(tree(with(c.json(), "tie_word_embeddings", false)), "the configuration")
        .withSchedule(c.schedule());
  }

  /** A configuration with one more key. */
  static String with(String config, String key, Object value) {
    ObjectNode json = tree(config);
    json.set(key, JSON.valueToTree(value));
    return text(json);
  }

  private static ObjectNode tree(String config) {
    try {
      return (ObjectNode) JSON.readTree(config);
    } catch (JsonProcessingException e) {
      throw new AssertionError("a configuration that was read before", e);
    }
  }

  private static String text(JsonNode json) {
    try {
      return JSON.writeValueAsString(json);
    } catch (JsonProcessingException e) {
      throw new AssertionError("a tree of plain values can be written", e);
    }
  }
}
