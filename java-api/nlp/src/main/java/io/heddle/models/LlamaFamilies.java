package io.heddle.models;

import io.heddle.models.ModelConfig.EmbeddingConfig;
import io.heddle.models.ModelConfig.HeadConfig;
import io.heddle.nn.StackConfig;
import io.heddle.nn.StackConfig.Heads;
import io.heddle.nn.StackConfig.Mlp;
import io.heddle.nn.StackConfig.Norms;
import io.heddle.nn.StackConfig.Placement;
import io.heddle.nn.StackConfig.Positions;
import java.util.List;
import java.util.Map;

/** Decoders with rotary positions and grouped heads: Llama and what came of it. */
final class LlamaFamilies {
  private static final String NAMES =
      """
      embed.weight = model.embed_tokens.weight
      layers.#.norm1 = model.layers.#.input_layernorm
      layers.#.qkv = model.layers.#.self_attn.q_proj + model.layers.#.self_attn.k_proj \
      + model.layers.#.self_attn.v_proj
      layers.#.qnorm = model.layers.#.self_attn.q_norm
      layers.#.knorm = model.layers.#.self_attn.k_norm
      layers.#.out = model.layers.#.self_attn.o_proj
      layers.#.norm2 = model.layers.#.post_attention_layernorm
      layers.#.up = model.layers.#.mlp.gate_proj + model.layers.#.mlp.up_proj
      layers.#.down = model.layers.#.mlp.down_proj
      norm = model.norm
      head = lm_head
      """;

  private LlamaFamilies() {}

  static void addTo(Map<String, Family> all) {
    all.put("llama", new Family(k -> rms(k, 10000, k.flag("attention_bias", false), false), NAMES));
    all.put("mistral", new Family(k -> windowed(rms(k, 10000, false, false), k), NAMES));
    all.put(
        "qwen2", new Family(k -> layered(rms(k, 10000, true, false), k, "sliding_window"), NAMES));
    all.put(
        "qwen3",
        new Family(
            k -> layered(rms(k, 10000, k.flag("attention_bias", false), true), k, "sliding_window"),
            NAMES));
    all.put("gemma", new Family(k -> gemma(k, Placement.BEFORE), NAMES));
    all.put(
        "gemma2",
        new Family(
            k -> layered(gemma(k, Placement.AROUND), k, "sliding_window"),
            NAMES.replace(
                "layers.#.norm2 = model.layers.#.post_attention_layernorm",
                """
                layers.#.after1 = model.layers.#.post_attention_layernorm
                layers.#.norm2 = model.layers.#.pre_feedforward_layernorm
                layers.#.after2 = model.layers.#.post_feedforward_layernorm""")));
    all.put(
        "starcoder2",
        new Family(
            k -> windowed(starcoder2(k), k),
            NAMES
                .replace(
                    "layers.#.up = model.layers.#.mlp.gate_proj + model.layers.#.mlp.up_proj",
                    "layers.#.up = model.layers.#.mlp.c_fc")
                .replace("down_proj", "c_proj")));
  }

  private static ModelConfig model(
      Keys k, Heads heads, Mlp mlp, Norms norms, double theta, float scale, HeadConfig head) {
    int context = k.number("max_position_embeddings", 2048);
    boolean interleaved = k.flag("heddle_rope_interleaved", false);
    Positions positions = k.rotary(theta, heads.dim(), interleaved, context);
    StackConfig stack =
        new StackConfig(
            k.number("hidden_size"),
            k.number("num_hidden_layers"),
            heads,
            positions,
            mlp,
            norms,
            false,
            false,
            k.decimal("attention_dropout", 0),
            "full");
    return new ModelConfig(
        "",
        k.number("vocab_size"),
        context,
        EmbeddingConfig.plain(stack.hidden()).scaled(scale),
        stack,
        null,
        List.of(head),
        "");
  }

  private static HeadConfig head(Keys k, boolean tied) {
    return HeadConfig.language(k.number("vocab_size"), k.flag("tie_word_embeddings", tied), false);
  }

  private static Heads heads(Keys k, boolean bias, boolean outBias, boolean norm, int dim) {
    int count = k.number("num_attention_heads");
    return new Heads(
        count,
        k.number("num_key_value_heads", count),
        dim,
        Heads.root(k.number("query_pre_attn_scalar", dim)),
        k.decimal("attn_logit_softcapping", 0),
        bias,
        outBias,
        norm,
        true);
  }

  private static int headDim(Keys k) {
    return k.number("head_dim", k.number("hidden_size") / k.number("num_attention_heads"));
  }

  private static ModelConfig rms(Keys k, double theta, boolean bias, boolean qkNorm) {
    boolean out = k.flag("attention_bias", false);
    Mlp mlp =
        new Mlp(
            k.number("intermediate_size"),
            k.activation("hidden_act", "silu"),
            true,
            k.flag("mlp_bias", false));
    return model(
        k,
        heads(k, bias, out, qkNorm, headDim(k)),
        mlp,
        Norms.rms(k.decimal("rms_norm_eps", 1e-6)),
        theta,
        1,
        head(k, false));
  }

  private static ModelConfig gemma(Keys k, Placement placement) {
    boolean bias = k.flag("attention_bias", false);
    k.text("hidden_act", "");
    k.only("use_bidirectional_attention", false);
    // Gemma's first configurations say "gelu" and mean its tanh form.
    int kind =
        k.text("hidden_activation", "").equals("gelu")
            ? 2
            : k.activation("hidden_activation", "gelu_pytorch_tanh");
    Mlp mlp = new Mlp(k.number("intermediate_size"), kind, true, false);
    Norms norms =
        new Norms(true, false, false, k.decimal("rms_norm_eps", 1e-6), 1, placement, true, true);
    float scale = (float) Math.sqrt(k.number("hidden_size"));
    HeadConfig head = head(k, true).shaped(1, k.decimal("final_logit_softcapping", 0));
    return model(k, heads(k, bias, bias, false, headDim(k)), mlp, norms, 10000, scale, head);
  }

  private static ModelConfig starcoder2(Keys k) {
    boolean bias = k.flag("use_bias", true);
    k.only("mlp_type", "default").only("norm_type", "layer_norm");
    Mlp mlp =
        new Mlp(
            k.number("intermediate_size"),
            k.activation("hidden_act", "gelu_pytorch_tanh"),
            false,
            bias);
    Norms norms = Norms.layer(k.decimal("norm_epsilon", 1e-5));
    return model(k, heads(k, bias, bias, false, headDim(k)), mlp, norms, 10000, 1, head(k, true));
  }

  // A window in every layer.
  private static ModelConfig windowed(ModelConfig c, Keys k) {
    int window = k.number("sliding_window", 0);
    return window == 0 ? c : scheduled(c, "window:" + window);
  }

  // A window in those layers that layer_types names; of Gemma 2 before version 5, every other one.
  private static ModelConfig layered(ModelConfig c, Keys k, String key) {
    int window = k.number(key, 0);
    boolean alternate = !k.has("layer_types") && c.stack().norms().placement() == Placement.AROUND;
    StringBuilder text = new StringBuilder("full");
    for (int i = 0; i < c.layers() && window > 0; i++) {
      if (alternate ? i % 2 == 0 : k.node("layer_types").path(i).asText("").startsWith("slid")) {
        text.append(",window:").append(window).append('@').append(i);
      }
    }
    if (!k.has("layer_types") && k.flag("use_sliding_window", false)) {
      throw new IllegalArgumentException(
          k.file() + ": 'use_sliding_window' needs 'layer_types' to say in which layers");
    }
    return scheduled(c, text.toString());
  }

  private static ModelConfig scheduled(ModelConfig c, String schedule) {
    return new ModelConfig(
        "",
        c.vocabulary(),
        c.context(),
        c.embedding(),
        c.stack().withSchedule(schedule),
        null,
        c.heads(),
        "");
  }
}
