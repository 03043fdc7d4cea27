package io.heddle.models;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * {@code config.json} as Hugging Face transformers writes it for GPT-2, GPT-Neo and Llama (versions
 * 4 and 5). What those formats cannot say, a mixed schedule, is kept under {@code heddle_schedule};
 * other readers ignore it and see full attention.
 */
final class HuggingFace {
  private static final ObjectMapper JSON =
      new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT);

  private HuggingFace() {}

  static DecoderConfig read(JsonNode json, String file) {
    String type = json.path("model_type").asText("");
    DecoderConfig config =
        switch (type) {
          case "llama" -> llama(json, file);
          case "gpt2" -> gpt2(json, file);
          case "gpt_neo" -> gptNeo(json, file);
          default ->
              throw new IllegalArgumentException(
                  file
                      + ": model_type '"
                      + type
                      + "' is not known; known are llama, gpt2 and gpt_neo");
        };
    String schedule = json.path("heddle_schedule").asText("");
    return schedule.isEmpty() ? config : config.withSchedule(schedule);
  }

  private static int number(JsonNode json, String key, String file) {
    JsonNode value = json.get(key);
    if (value == null || !value.isInt()) {
      throw new IllegalArgumentException(file + ": '" + key + "' is missing or not a whole number");
    }
    return value.asInt();
  }

  private static int activation(JsonNode json, String key, String file) {
    String name = json.path(key).asText("gelu_new");
    return switch (name) {
      case "gelu_new", "gelu_pytorch_tanh", "gelu_fast" -> 3;
      case "gelu" -> 2;
      case "relu" -> 1;
      case "silu", "swish" -> 4;
      default ->
          throw new IllegalArgumentException(file + ": activation '" + name + "' is not known");
    };
  }

  private static DecoderConfig llama(JsonNode json, String file) {
    int hidden = number(json, "hidden_size", file);
    int heads = number(json, "num_attention_heads", file);
    JsonNode rope =
        json.has("rope_parameters") ? json.get("rope_parameters") : json.path("rope_scaling");
    String kind = rope.path("rope_type").asText(rope.path("type").asText("default"));
    if (!kind.equals("default")) {
      throw new IllegalArgumentException(
          file + ": rope_type '" + kind + "' is not supported; only 'default' is");
    }
    return new DecoderConfig(
        "llama",
        number(json, "vocab_size", file),
        hidden,
        number(json, "num_hidden_layers", file),
        heads,
        json.path("num_key_value_heads").asInt(heads),
        json.path("head_dim").asInt(hidden / heads),
        number(json, "intermediate_size", file),
        json.path("max_position_embeddings").asInt(2048),
        false,
        rope.path("rope_theta").asDouble(json.path("rope_theta").asDouble(10000)),
        json.path("heddle_rope_interleaved").asBoolean(false),
        true,
        (float) json.path("rms_norm_eps").asDouble(1e-6),
        activation(json, "hidden_act", file),
        true,
        refuse(json, "attention_bias", file),
        refuse(json, "mlp_bias", file),
        json.path("tie_word_embeddings").asBoolean(false),
        true,
        (float) json.path("attention_dropout").asDouble(0),
        "full");
  }

  private static boolean refuse(JsonNode json, String key, String file) {
    if (json.path(key).asBoolean(false)) {
      throw new IllegalArgumentException(file + ": '" + key + "': true is not supported for llama");
    }
    return false;
  }

  private static DecoderConfig gpt2(JsonNode json, String file) {
    int hidden = number(json, "n_embd", file);
    int heads = number(json, "n_head", file);
    if (json.path("scale_attn_by_inverse_layer_idx").asBoolean(false)) {
      throw new IllegalArgumentException(
          file + ": 'scale_attn_by_inverse_layer_idx': true is not supported");
    }
    return new DecoderConfig(
        "gpt2",
        number(json, "vocab_size", file),
        hidden,
        number(json, "n_layer", file),
        heads,
        heads,
        hidden / heads,
        json.path("n_inner").asInt(4 * hidden),
        number(json, "n_positions", file),
        true,
        0,
        false,
        false,
        (float) json.path("layer_norm_epsilon").asDouble(1e-5),
        activation(json, "activation_function", file),
        false,
        true,
        true,
        json.path("tie_word_embeddings").asBoolean(true),
        json.path("scale_attn_weights").asBoolean(true),
        (float) json.path("resid_pdrop").asDouble(0),
        "full");
  }

  private static DecoderConfig gptNeo(JsonNode json, String file) {
    int hidden = number(json, "hidden_size", file);
    int heads = number(json, "num_heads", file);
    int window = json.path("window_size").asInt(256);
    List<String> layers = new ArrayList<>();
    for (JsonNode group : json.path("attention_types")) {
      for (int i = 0; i < group.get(1).asInt(); i++) {
        group.get(0).forEach(kind -> layers.add(kind.asText()));
      }
    }
    int count = number(json, "num_layers", file);
    if (layers.size() != count) {
      throw new IllegalArgumentException(
          file
              + ": attention_types describes "
              + layers.size()
              + " layers, num_layers says "
              + count);
    }
    StringBuilder schedule = new StringBuilder("full");
    for (int i = 0; i < count; i++) {
      if (layers.get(i).equals("local")) {
        schedule.append(",window:").append(window).append('@').append(i);
      }
    }
    return new DecoderConfig(
        "gpt_neo",
        number(json, "vocab_size", file),
        hidden,
        count,
        heads,
        heads,
        hidden / heads,
        json.path("intermediate_size").asInt(4 * hidden),
        number(json, "max_position_embeddings", file),
        true,
        0,
        false,
        false,
        (float) json.path("layer_norm_epsilon").asDouble(1e-5),
        activation(json, "activation_function", file),
        false,
        false,
        true,
        json.path("tie_word_embeddings").asBoolean(true),
        false,
        (float) json.path("resid_dropout").asDouble(0),
        schedule.toString());
  }

  static String write(DecoderConfig c, String dtype) {
    ObjectNode json = JSON.createObjectNode();
    switch (c.family()) {
      case "gpt2" -> writeGpt2(c, json);
      case "gpt_neo" -> writeGptNeo(c, json);
      default -> writeLlama(c, json);
    }
    json.put("model_type", c.family());
    json.put("vocab_size", c.vocabulary());
    json.put("tie_word_embeddings", c.tied());
    json.put("torch_dtype", dtype.toLowerCase(Locale.ROOT));
    if (!c.schedule().equals("full")) {
      json.put("heddle_schedule", c.schedule());
    }
    try {
      return JSON.writeValueAsString(json) + "\n";
    } catch (com.fasterxml.jackson.core.JsonProcessingException e) {
      throw new AssertionError("a tree of plain values can be written", e);
    }
  }

  private static void writeLlama(DecoderConfig c, ObjectNode json) {
    json.putArray("architectures").add("LlamaForCausalLM");
    json.put("hidden_size", c.hidden());
    json.put("num_hidden_layers", c.layers());
    json.put("num_attention_heads", c.heads());
    json.put("num_key_value_heads", c.kvHeads());
    json.put("head_dim", c.headDim());
    json.put("intermediate_size", c.intermediate());
    json.put("max_position_embeddings", c.context());
    json.put("rms_norm_eps", decimal(c.normEps()));
    json.put("rope_theta", c.ropeTheta());
    json.put("hidden_act", "silu");
    json.put("attention_bias", false);
    json.put("mlp_bias", false);
    json.put("attention_dropout", decimal(c.dropout()));
    if (c.ropeInterleaved()) {
      json.put("heddle_rope_interleaved", true);
    }
  }

  private static void writeGpt2(DecoderConfig c, ObjectNode json) {
    json.putArray("architectures").add("GPT2LMHeadModel");
    json.put("n_embd", c.hidden());
    json.put("n_layer", c.layers());
    json.put("n_head", c.heads());
    json.put("n_inner", c.intermediate());
    json.put("n_positions", c.context());
    json.put("layer_norm_epsilon", decimal(c.normEps()));
    json.put("activation_function", "gelu_new");
    for (String key : new String[] {"resid_pdrop", "embd_pdrop", "attn_pdrop"}) {
      json.put(key, decimal(c.dropout()));
    }
  }

  private static void writeGptNeo(DecoderConfig c, ObjectNode json) {
    json.putArray("architectures").add("GPTNeoForCausalLM");
    json.put("hidden_size", c.hidden());
    json.put("num_layers", c.layers());
    json.put("num_heads", c.heads());
    json.put("intermediate_size", c.intermediate());
    json.put("max_position_embeddings", c.context());
    json.put("layer_norm_epsilon", decimal(c.normEps()));
    json.put("activation_function", "gelu_new");
    ArrayNode types = json.putArray("attention_types");
    Schedule schedule = Schedule.parse(c.schedule(), c.layers(), c.heads());
    int window = 256;
    for (int i = 0; i < c.layers(); i++) {
      String key = schedule.describe(i);
      ArrayNode group = types.addArray();
      group.addArray().add(key.startsWith("window:") ? "local" : "global");
      group.add(1);
      if (key.startsWith("window:")) {
        window = Integer.parseInt(key.substring("window:".length()));
      }
    }
    json.put("window_size", window);
    for (String key : new String[] {"resid_dropout", "embed_dropout", "attention_dropout"}) {
      json.put(key, decimal(c.dropout()));
    }
  }

  // The shortest decimal that gives the float back, not the double it widens to.
  private static double decimal(float value) {
    return Double.parseDouble(Float.toString(value));
  }
}
