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
import java.util.List;
import java.util.Map;

/**
 * Encoder-decoders: T5 and FLAN-T5; BART and Marian, whose norms come after, mBART and Pegasus,
 * whose norms come before.
 */
final class TranslatorFamilies {
  private static final String T5 =
      side("encoder", 1) + side("decoder", 2) + "embed.weight = shared.weight\nhead = lm_head\n";
  private static final String BART =
      bartSide("encoder")
          + bartSide("decoder")
          + """
          embed.weight = model.shared.weight
          head.bias = final_logits_bias 1
          head = lm_head
          """;

  private TranslatorFamilies() {}

  private static String side(String name, int mlp) {
    return """
    SIDE.layers.#.norm1 = SIDE.block.#.layer.0.layer_norm
    SIDE.layers.#.qkv = SIDE.block.#.layer.0.SelfAttention.q \
    + SIDE.block.#.layer.0.SelfAttention.k + SIDE.block.#.layer.0.SelfAttention.v
    SIDE.layers.#.out = SIDE.block.#.layer.0.SelfAttention.o
    SIDE.layers.#.cross.norm = SIDE.block.#.layer.1.layer_norm
    SIDE.layers.#.cross.q = SIDE.block.#.layer.1.EncDecAttention.q
    SIDE.layers.#.cross.kv = SIDE.block.#.layer.1.EncDecAttention.k \
    + SIDE.block.#.layer.1.EncDecAttention.v
    SIDE.layers.#.cross.out = SIDE.block.#.layer.1.EncDecAttention.o
    SIDE.layers.#.norm2 = SIDE.block.#.layer.MLP.layer_norm
    SIDE.layers.#.up = SIDE.block.#.layer.MLP.DenseReluDense.wi
    SIDE.layers.#.up = SIDE.block.#.layer.MLP.DenseReluDense.wi_0 \
    + SIDE.block.#.layer.MLP.DenseReluDense.wi_1
    SIDE.layers.#.down = SIDE.block.#.layer.MLP.DenseReluDense.wo
    SIDE.buckets.weight = SIDE.block.0.layer.0.SelfAttention.relative_attention_bias.weight
    SIDE.norm = SIDE.final_layer_norm
    """
        .replace("SIDE", name)
        .replace("MLP", Integer.toString(mlp));
  }

  private static String bartSide(String name) {
    return """
    SIDE.positions.weight = model.SIDE.embed_positions.weight
    SIDE.embed.norm = model.SIDE.layernorm_embedding
    SIDE.layers.#.norm1 = model.SIDE.layers.#.self_attn_layer_norm
    SIDE.layers.#.qkv = model.SIDE.layers.#.self_attn.q_proj \
    + model.SIDE.layers.#.self_attn.k_proj + model.SIDE.layers.#.self_attn.v_proj
    SIDE.layers.#.out = model.SIDE.layers.#.self_attn.out_proj
    SIDE.layers.#.cross.norm = model.SIDE.layers.#.encoder_attn_layer_norm
    SIDE.layers.#.cross.q = model.SIDE.layers.#.encoder_attn.q_proj
    SIDE.layers.#.cross.kv = model.SIDE.layers.#.encoder_attn.k_proj \
    + model.SIDE.layers.#.encoder_attn.v_proj
    SIDE.layers.#.cross.out = model.SIDE.layers.#.encoder_attn.out_proj
    SIDE.layers.#.norm2 = model.SIDE.layers.#.final_layer_norm
    SIDE.layers.#.up = model.SIDE.layers.#.fc1
    SIDE.layers.#.down = model.SIDE.layers.#.fc2
    SIDE.norm = model.SIDE.layer_norm
    """
        .replace("SIDE", name);
  }

  static void addTo(Map<String, Family> all) {
    all.put("t5", new Family(TranslatorFamilies::t5, T5));
    all.put("bart", new Family(k -> bart(k, Table.LEARNED, Placement.AFTER), BART));
    all.put("marian", new Family(k -> bart(k, Table.SINES, Placement.AFTER), BART));
    all.put("mbart", new Family(k -> bart(k, Table.LEARNED, Placement.BEFORE), BART));
    all.put("pegasus", new Family(k -> bart(k, Table.SINES, Placement.BEFORE), BART));
  }

  private static ModelConfig t5(Keys k) {
    int d = k.number("d_model");
    String mlp = k.text("feed_forward_proj", "relu");
    boolean gated = mlp.startsWith("gated-");
    k.text("dense_act_fn", "");
    int kind =
        switch (mlp) {
          case "relu" -> 1;
          case "gelu" -> 2;
          // transformers reads "gated-gelu" as the tanh form.
          case "gated-gelu" -> 3;
          case "gated-silu" -> 4;
          default ->
              throw new IllegalArgumentException(
                  k.file() + ": 'feed_forward_proj': '" + mlp + "' is not known");
        };
    Positions positions =
        Positions.buckets(
            PositionKind.BUCKETS,
            k.number("relative_attention_num_buckets", 32),
            k.number("relative_attention_max_distance", 128));
    int count = k.number("num_heads");
    int dim = k.number("d_kv");
    int layers = k.number("num_layers");
    Norms norms = Norms.rms(k.decimal("layer_norm_epsilon", 1e-6));
    StackConfig[] sides = new StackConfig[2];
    for (int side = 0; side < 2; side++) {
      sides[side] =
          new StackConfig(
              d,
              side == 0 ? layers : k.number("num_decoder_layers", layers),
              // T5 does not scale its scores.
              new Heads(count, count, dim, 1, 0, false, false, false, side == 1),
              positions,
              new Mlp(k.number("d_ff"), kind, gated, false),
              norms,
              false,
              side == 1,
              k.decimal("dropout_rate", 0),
              "full");
    }
    boolean tied = k.flag("tie_word_embeddings", true);
    boolean scaled = k.flag("scale_decoder_outputs", tied);
    HeadConfig head =
        HeadConfig.language(k.number("vocab_size"), tied, false)
            .shaped(scaled ? Heads.root(d) : 1, 0);
    return new ModelConfig(
        "",
        k.number("vocab_size"),
        k.number("n_positions", 512),
        EmbeddingConfig.plain(d),
        sides[0],
        sides[1],
        List.of(head),
        "");
  }

  private static ModelConfig bart(Keys k, Table table, Placement placement) {
    k.node("num_hidden_layers"); // repeats encoder_layers
    int d = k.number("d_model");
    int context = k.number("max_position_embeddings");
    boolean learned = table == Table.LEARNED;
    float scale = k.flag("scale_embedding", false) ? (float) Math.sqrt(d) : 1;
    EmbeddingConfig embedding =
        new EmbeddingConfig(
            d,
            scale,
            table,
            learned ? context + 2 : context,
            learned ? 2 : 0,
            false,
            0,
            learned ? Norm.WEIGHT_AND_BIAS : Norm.NONE,
            1e-5f);
    HeadConfig head =
        HeadConfig.language(k.number("vocab_size"), k.flag("tie_word_embeddings", true), true);
    k.only("share_encoder_decoder_embeddings", true);
    return new ModelConfig(
        "",
        k.number("vocab_size"),
        context,
        embedding,
        side(k, "encoder", d, learned, placement),
        side(k, "decoder", d, learned, placement),
        List.of(head),
        "");
  }

  private static StackConfig side(
      Keys k, String side, int d, boolean learned, Placement placement) {
    int count = k.number(side + "_attention_heads");
    boolean decoder = side.equals("decoder");
    boolean marian = !learned && placement == Placement.AFTER;
    int kind = k.activation("activation_function", learned ? "gelu" : marian ? "swish" : "relu");
    // What these formats cannot say; other readers do not know it.
    boolean scalar = k.text("heddle_norm", "layer").equals("scale");
    return new StackConfig(
        d,
        k.number(side + "_layers"),
        Heads.plain(count, d / count, decoder),
        Positions.NONE,
        new Mlp(k.number(side + "_ffn_dim"), kind, false, true),
        (scalar ? Norms.scale(1e-5f) : Norms.layer(1e-5f)).placed(placement),
        false,
        decoder,
        k.decimal("dropout", 0),
        "full");
  }
}
