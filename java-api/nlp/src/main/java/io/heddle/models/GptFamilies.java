package io.heddle.models;

import io.heddle.models.ModelConfig.EmbeddingConfig;
import io.heddle.models.ModelConfig.HeadConfig;
import io.heddle.models.ModelConfig.Norm;
import io.heddle.models.ModelConfig.Table;
import io.heddle.nn.StackConfig;
import io.heddle.nn.StackConfig.Heads;
import io.heddle.nn.StackConfig.Mlp;
import io.heddle.nn.StackConfig.Norms;
import io.heddle.nn.StackConfig.Placement;
import io.heddle.nn.StackConfig.PositionKind;
import io.heddle.nn.StackConfig.Positions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Decoders with layer norms: GPT-2, GPT-Neo, GPT-J, CodeGen, GPT-NeoX, BLOOM, OPT, XGLM. */
final class GptFamilies {
  private static final String GPT2 =
      """
      embed.weight = transformer.wte.weight
      positions.weight = transformer.wpe.weight
      layers.#.norm1 = transformer.h.#.ln_1
      layers.#.qkv = transformer.h.#.attn.c_attn ^
      layers.#.out = transformer.h.#.attn.c_proj ^
      layers.#.norm2 = transformer.h.#.ln_2
      layers.#.up = transformer.h.#.mlp.c_fc ^
      layers.#.down = transformer.h.#.mlp.c_proj ^
      norm = transformer.ln_f
      head = lm_head
      """;
  private static final String NEO =
      GPT2.replace(" ^", "")
          .replace(
              "transformer.h.#.attn.c_attn",
              "transformer.h.#.attn.attention.q_proj + transformer.h.#.attn.attention.k_proj"
                  + " + transformer.h.#.attn.attention.v_proj")
          .replace("attn.c_proj", "attn.attention.out_proj");
  private static final String GPTJ =
      NEO.replace("attn.attention", "attn")
          .replace("mlp.c_fc", "mlp.fc_in")
          .replace("mlp.c_proj", "mlp.fc_out");
  private static final String CODEGEN =
      GPTJ.replace(
          "transformer.h.#.attn.q_proj + transformer.h.#.attn.k_proj + transformer.h.#.attn.v_proj",
          "transformer.h.#.attn.qkv_proj @codegen");
  private static final String NEOX =
      """
      embed.weight = gpt_neox.embed_in.weight
      layers.#.norm1 = gpt_neox.layers.#.input_layernorm
      layers.#.qkv = gpt_neox.layers.#.attention.query_key_value @heads
      layers.#.out = gpt_neox.layers.#.attention.dense
      layers.#.norm2 = gpt_neox.layers.#.post_attention_layernorm
      layers.#.up = gpt_neox.layers.#.mlp.dense_h_to_4h
      layers.#.down = gpt_neox.layers.#.mlp.dense_4h_to_h
      norm = gpt_neox.final_layer_norm
      head = embed_out
      """;
  private static final String BLOOM =
      NEOX.replace("gpt_neox.embed_in", "transformer.word_embeddings")
          .replace("gpt_neox.layers", "transformer.h")
          .replace("attention.query", "self_attention.query")
          .replace("attention.dense", "self_attention.dense")
          .replace("gpt_neox.final_layer_norm", "transformer.ln_f")
          .replace("embed_out", "lm_head")
          .concat("embed.norm = transformer.word_embeddings_layernorm\n");
  private static final String OPT =
      """
      embed.weight = model.decoder.embed_tokens.weight
      positions.weight = model.decoder.embed_positions.weight
      embed.project = model.decoder.project_in
      layers.#.norm1 = model.decoder.layers.#.self_attn_layer_norm
      layers.#.qkv = model.decoder.layers.#.self_attn.q_proj \
      + model.decoder.layers.#.self_attn.k_proj + model.decoder.layers.#.self_attn.v_proj
      layers.#.out = model.decoder.layers.#.self_attn.out_proj
      layers.#.norm2 = model.decoder.layers.#.final_layer_norm
      layers.#.up = model.decoder.layers.#.fc1
      layers.#.down = model.decoder.layers.#.fc2
      norm = model.decoder.final_layer_norm
      head = lm_head
      """;
  private static final String XGLM =
      OPT.replace("model.decoder.final_layer_norm", "model.layer_norm")
          .replace("model.decoder.", "model.");

  private GptFamilies() {}

  static void addTo(Map<String, Family> all) {
    all.put("gpt2", new Family(GptFamilies::gpt2, GPT2));
    all.put("gpt_neo", new Family(GptFamilies::gptNeo, NEO));
    all.put("gpt_bigcode", new Family(GptFamilies::bigCode, GPT2.replace(" ^", "")));
    all.put("gptj", new Family(GptFamilies::gptj, GPTJ));
    all.put("codegen", new Family(GptFamilies::gptj, CODEGEN));
    all.put("gpt_neox", new Family(GptFamilies::neox, NEOX));
    all.put("bloom", new Family(GptFamilies::bloom, BLOOM));
    all.put("opt", new Family(GptFamilies::opt, OPT));
    all.put("xglm", new Family(GptFamilies::xglm, XGLM));
  }

  private static StackConfig stack(
      int hidden,
      int layers,
      Heads heads,
      Positions positions,
      Mlp mlp,
      Norms norms,
      float dropout) {
    return new StackConfig(
        hidden, layers, heads, positions, mlp, norms, false, false, dropout, "full");
  }

  private static ModelConfig model(
      Keys k, int context, EmbeddingConfig embedding, StackConfig stack, boolean tied, boolean b) {
    HeadConfig head =
        HeadConfig.language(k.number("vocab_size"), k.flag("tie_word_embeddings", tied), b);
    return new ModelConfig(
        "", k.number("vocab_size"), context, embedding, stack, null, List.of(head), "");
  }

  private static ModelConfig gpt2(Keys k) {
    k.only("scale_attn_by_inverse_layer_idx", false).only("add_cross_attention", false);
    int d = k.number("n_embd");
    int count = k.number("n_head");
    float scale = k.flag("scale_attn_weights", true) ? Heads.root((double) d / count) : 1;
    Heads heads = new Heads(count, count, d / count, scale, 0, true, true, false, true);
    return gpt2(k, heads, "gelu_new");
  }

  private static ModelConfig gpt2(Keys k, Heads heads, String activation) {
    int d = k.number("n_embd");
    Mlp mlp =
        new Mlp(
            k.number("n_inner", 4 * d),
            k.activation("activation_function", activation),
            false,
            true);
    Norms norms = Norms.layer(k.decimal("layer_norm_epsilon", 1e-5));
    int context = k.number("n_positions");
    StackConfig stack =
        stack(
            d, k.number("n_layer"), heads, Positions.NONE, mlp, norms, k.decimal("resid_pdrop", 0));
    return model(k, context, EmbeddingConfig.learned(d, context, 0), stack, true, false);
  }

  private static ModelConfig bigCode(Keys k) {
    k.only("scale_attn_weights", true).only("add_cross_attention", false);
    int dim = k.number("n_embd") / k.number("n_head");
    k.only("multi_query", true).only("num_key_value_heads", 1);
    k.only("scale_attn_by_inverse_layer_idx", false);
    Heads heads =
        new Heads(k.number("n_head"), 1, dim, Heads.root(dim), 0, true, true, false, true);
    return gpt2(k, heads, "gelu_pytorch_tanh");
  }

  private static ModelConfig gptNeo(Keys k) {
    int d = k.number("hidden_size");
    int count = k.number("num_heads");
    int layers = k.number("num_layers");
    // GPT-Neo does not scale its scores, and only its output product has a bias.
    Heads heads = new Heads(count, count, d / count, 1, 0, false, true, false, true);
    Mlp mlp =
        new Mlp(
            k.number("intermediate_size", 4 * d),
            k.activation("activation_function", "gelu_new"),
            false,
            true);
    Norms norms = Norms.layer(k.decimal("layer_norm_epsilon", 1e-5));
    int context = k.number("max_position_embeddings");
    StackConfig stack =
        stack(d, layers, heads, Positions.NONE, mlp, norms, k.decimal("resid_dropout", 0))
            .withSchedule(neoSchedule(k, layers));
    return model(k, context, EmbeddingConfig.learned(d, context, 0), stack, true, false);
  }

  private static String neoSchedule(Keys k, int count) {
    List<String> layers = new ArrayList<>();
    k.node("attention_types")
        .forEach(
            group -> {
              for (int i = 0; i < group.path(1).asInt(); i++) {
                group.path(0).forEach(kind -> layers.add(kind.asText()));
              }
            });
    if (layers.size() != count) {
      throw new IllegalArgumentException(
          k.file()
              + ": attention_types describes "
              + layers.size()
              + " layers, num_layers says "
              + count);
    }
    StringBuilder schedule = new StringBuilder("full");
    for (int i = 0; i < count; i++) {
      if (layers.get(i).equals("local")) {
        schedule.append(",window:").append(k.number("window_size", 256)).append('@').append(i);
      }
    }
    k.number("window_size", 256);
    return schedule.toString();
  }

  private static ModelConfig gptj(Keys k) {
    k.only("scale_attn_weights", true).only("rotary", true);
    int d = k.number("n_embd");
    int count = k.number("n_head");
    int dim = d / count;
    Heads heads = new Heads(count, count, dim, Heads.root(dim), 0, false, false, false, true);
    Mlp mlp =
        new Mlp(
            k.number("n_inner", 4 * d),
            k.activation("activation_function", "gelu_new"),
            false,
            true);
    Norms norms = Norms.layer(k.decimal("layer_norm_epsilon", 1e-5)).placed(Placement.PARALLEL_ONE);
    Positions positions = Positions.rotary(10000, k.number("rotary_dim", dim), true);
    StackConfig stack =
        stack(d, k.number("n_layer"), heads, positions, mlp, norms, k.decimal("resid_pdrop", 0));
    return model(k, k.number("n_positions"), EmbeddingConfig.plain(d), stack, false, true);
  }

  private static ModelConfig neox(Keys k) {
    int d = k.number("hidden_size");
    int count = k.number("num_attention_heads");
    int dim = d / count;
    boolean bias = k.flag("attention_bias", true);
    Heads heads = new Heads(count, count, dim, Heads.root(dim), 0, bias, bias, false, true);
    Mlp mlp =
        new Mlp(k.number("intermediate_size"), k.activation("hidden_act", "gelu"), false, true);
    Norms norms =
        Norms.layer(k.decimal("layer_norm_eps", 1e-5))
            .placed(k.flag("use_parallel_residual", true) ? Placement.PARALLEL : Placement.BEFORE);
    double share = k.rope("").path("partial_rotary_factor").asDouble(k.decimal("rotary_pct", 0.25));
    int context = k.number("max_position_embeddings");
    Positions positions = k.rotary(10000, (int) (dim * share), false, context);
    StackConfig stack =
        stack(
            d,
            k.number("num_hidden_layers"),
            heads,
            positions,
            mlp,
            norms,
            k.decimal("hidden_dropout", 0));
    return model(k, context, EmbeddingConfig.plain(d), stack, false, false);
  }

  private static ModelConfig bloom(Keys k) {
    k.only("apply_residual_connection_post_layernorm", false);
    int d = k.has("hidden_size") ? k.number("hidden_size") : k.number("n_embed");
    int count = k.has("n_head") ? k.number("n_head") : k.number("num_attention_heads");
    float eps = k.decimal("layer_norm_epsilon", 1e-5);
    StackConfig stack =
        stack(
            d,
            k.number("n_layer"),
            Heads.plain(count, d / count, true),
            Positions.of(PositionKind.ALIBI),
            new Mlp(4 * d, 3, false, true),
            Norms.layer(eps),
            k.decimal("hidden_dropout", 0));
    EmbeddingConfig embedding = EmbeddingConfig.plain(d).normed(Norm.WEIGHT_AND_BIAS, eps);
    return model(k, k.number("seq_length", 2048), embedding, stack, true, false);
  }

  private static ModelConfig opt(Keys k) {
    k.only("do_layer_norm_before", true).only("layer_norm_elementwise_affine", true);
    int d = k.number("hidden_size");
    k.only("word_embed_proj_dim", d).only("enable_bias", true);
    int count = k.number("num_attention_heads");
    Mlp mlp =
        new Mlp(k.number("ffn_dim"), k.activation("activation_function", "relu"), false, true);
    int context = k.number("max_position_embeddings");
    StackConfig stack =
        stack(
            d,
            k.number("num_hidden_layers"),
            Heads.plain(count, d / count, true),
            Positions.NONE,
            mlp,
            Norms.layer(1e-5f),
            k.decimal("dropout", 0));
    return model(k, context, EmbeddingConfig.learned(d, context, 2), stack, true, false);
  }

  private static ModelConfig xglm(Keys k) {
    k.only("add_cross_attention", false);
    int d = k.number("d_model");
    int count = k.number("attention_heads");
    Mlp mlp =
        new Mlp(k.number("ffn_dim"), k.activation("activation_function", "gelu"), false, true);
    int context = k.number("max_position_embeddings");
    StackConfig stack =
        stack(
            d,
            k.number("num_layers"),
            Heads.plain(count, d / count, true),
            Positions.NONE,
            mlp,
            Norms.layer(1e-5f),
            k.decimal("dropout", 0));
    float scale = k.flag("scale_embedding", true) ? (float) Math.sqrt(d) : 1;
    EmbeddingConfig embedding =
        new EmbeddingConfig(d, scale, Table.FAIRSEQ_SINES, context + 2, 2, false, 0, Norm.NONE, 0);
    return model(k, context, embedding, stack, true, false);
  }
}
