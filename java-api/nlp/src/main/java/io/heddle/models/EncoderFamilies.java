package io.heddle.models;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.heddle.models.ModelConfig.EmbeddingConfig;
import io.heddle.models.ModelConfig.HeadConfig;
import io.heddle.models.ModelConfig.Loss;
import io.heddle.models.ModelConfig.Norm;
import io.heddle.models.ModelConfig.Table;
import io.heddle.nn.RotaryScaling;
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

/** Encoders: BERT and what came of it. */
final class EncoderFamilies {
  private static final int TANH = 5;
  private static final int GELU = 2;

  private EncoderFamilies() {}

  static void addTo(Map<String, Family> all) {
    all.put("bert", new Family(EncoderFamilies::bert, EncoderNames.BERT + EncoderNames.BERT_HEADS));
    all.put(
        "roberta",
        new Family(
            k -> roberta(k, Positions.NONE),
            EncoderNames.BERT.replace("bert.", "roberta.") + EncoderNames.ROBERTA_HEADS));
    all.put(
        "electra",
        new Family(
            EncoderFamilies::electra,
            EncoderNames.BERT.replace("bert.", "electra.") + EncoderNames.ELECTRA_HEADS));
    all.put("distilbert", new Family(EncoderFamilies::distilbert, EncoderNames.DISTILBERT));
    all.put("albert", new Family(EncoderFamilies::albert, EncoderNames.ALBERT));
    all.put("modernbert", new Family(EncoderFamilies::modernBert, EncoderNames.MODERNBERT));
    all.put("deberta-v2", new Family(EncoderFamilies::deberta, EncoderNames.DEBERTA));
    all.put("longformer", new Family(EncoderFamilies::longformer, EncoderNames.LONGFORMER));
  }

  /** The configuration of a new BERT with MLPs of four times its features, without heads. */
  static ObjectNode bert(
      int vocabulary, int hidden, int layers, int heads, int context, float dropout) {
    return JsonNodeFactory.instance
        .objectNode()
        .put("model_type", "bert")
        .put("vocab_size", vocabulary)
        .put("hidden_size", hidden)
        .put("num_hidden_layers", layers)
        .put("num_attention_heads", heads)
        .put("intermediate_size", 4 * hidden)
        .put("max_position_embeddings", context)
        .put("type_vocab_size", 2)
        .put("hidden_act", "gelu")
        .put("hidden_dropout_prob", dropout)
        .put("attention_probs_dropout_prob", dropout)
        .put("layer_norm_eps", 1e-12)
        .put("pad_token_id", 0);
  }

  private static StackConfig stack(Keys k, Positions positions, boolean shared) {
    k.only("is_decoder", false).only("add_cross_attention", false);
    k.only("position_embedding_type", "absolute");
    int d = k.number("hidden_size");
    int count = k.number("num_attention_heads");
    return new StackConfig(
        d,
        k.number("num_hidden_layers"),
        Heads.plain(count, d / count, false),
        positions,
        new Mlp(k.number("intermediate_size"), k.activation("hidden_act", "gelu"), false, true),
        Norms.layer(k.decimal("layer_norm_eps", 1e-12)).placed(Placement.AFTER),
        shared,
        false,
        k.decimal("hidden_dropout_prob", 0),
        "full");
  }

  private static EmbeddingConfig embedding(Keys k, int size, int offset) {
    return new EmbeddingConfig(
        size,
        1,
        Table.LEARNED,
        k.number("max_position_embeddings"),
        offset,
        offset > 0,
        k.number("type_vocab_size", 2),
        Norm.WEIGHT_AND_BIAS,
        k.decimal("layer_norm_eps", 1e-12));
  }

  private static ModelConfig model(
      Keys k, EmbeddingConfig embedding, StackConfig stack, List<HeadConfig> heads) {
    return new ModelConfig(
        "",
        k.number("vocab_size"),
        k.number("max_position_embeddings", embedding.rows()) - embedding.offset(),
        embedding,
        stack,
        null,
        heads,
        "");
  }

  private static HeadConfig masked(Keys k, int size, int activation, float eps) {
    return HeadConfig.language(k.number("vocab_size"), k.flag("tie_word_embeddings", true), true)
        .dense(size, activation)
        .normed(eps, false);
  }

  // The heads that the checkpoint's class names; pooling is the activation after the pooler.
  private static List<HeadConfig> heads(Keys k, int d, int pooling, HeadConfig masked) {
    String name = k.architecture();
    String task = name.contains("For") ? name.substring(name.lastIndexOf("For") + 3) : "";
    int labels = k.labels();
    return switch (task) {
      case "MaskedLM" -> List.of(masked);
      case "SequenceClassification" ->
          List.of(
              HeadConfig.outputs(
                      "pooled", true, labels, labels == 1 ? Loss.SQUARED : Loss.CROSS_ENTROPY)
                  .dense(d, pooling));
      case "MultipleChoice" ->
          List.of(HeadConfig.outputs("pooled", true, 1, Loss.CHOICE).dense(d, pooling));
      case "TokenClassification" ->
          List.of(HeadConfig.outputs("tokens", false, labels, Loss.CROSS_ENTROPY));
      case "QuestionAnswering" -> List.of(HeadConfig.outputs("span", false, 2, Loss.SPAN));
      case "PreTraining" -> {
        HeadConfig pair = HeadConfig.outputs("pair", true, 2, Loss.CROSS_ENTROPY).dense(d, TANH);
        yield List.of(masked, pair);
      }
      case "" -> List.of();
      default ->
          throw new IllegalArgumentException(
              k.file() + ": architecture '" + name + "' has a head that is not known");
    };
  }

  private static ModelConfig bert(Keys k) {
    StackConfig stack = stack(k, Positions.NONE, false);
    int d = stack.hidden();
    HeadConfig masked = masked(k, d, stack.mlp().activation(), stack.norms().eps());
    return model(k, embedding(k, d, 0), stack, heads(k, d, TANH, masked));
  }

  private static ModelConfig roberta(Keys k, Positions positions) {
    StackConfig stack = stack(k, positions, false);
    int d = stack.hidden();
    HeadConfig masked = masked(k, d, GELU, stack.norms().eps());
    EmbeddingConfig embedding = embedding(k, d, k.number("pad_token_id", 1) + 1);
    return model(k, embedding, stack, heads(k, d, TANH, masked));
  }

  private static ModelConfig longformer(Keys k) {
    ModelConfig c = roberta(k, Positions.of(PositionKind.GLOBALS));
    StringBuilder text = new StringBuilder("full");
    for (int i = 0; i < c.layers(); i++) {
      int window = k.node("attention_window").path(i).asInt(k.node("attention_window").asInt());
      text.append(",window:").append(window / 2 + 1).append('@').append(i);
    }
    return model(k, c.embedding(), c.stack().withSchedule(text.toString()), c.heads());
  }

  private static ModelConfig electra(Keys k) {
    StackConfig stack = stack(k, Positions.NONE, false);
    int d = stack.hidden();
    int size = k.number("embedding_size", d);
    List<HeadConfig> heads =
        k.architecture().endsWith("PreTraining")
            ? List.of(
                HeadConfig.outputs("replaced", false, 1, Loss.BINARY)
                    .dense(d, stack.mlp().activation()))
            : heads(k, d, GELU, masked(k, size, GELU, stack.norms().eps()));
    return model(k, embedding(k, size, 0), stack, heads);
  }

  private static ModelConfig albert(Keys k) {
    k.only("num_hidden_groups", 1).only("inner_group_num", 1);
    StackConfig stack = stack(k, Positions.NONE, true);
    int size = k.number("embedding_size");
    int d = stack.hidden();
    HeadConfig masked = masked(k, size, stack.mlp().activation(), stack.norms().eps());
    return model(k, embedding(k, size, 0), stack, heads(k, d, TANH, masked));
  }

  private static ModelConfig distilbert(Keys k) {
    k.only("sinusoidal_pos_embds", false);
    int d = k.number("dim");
    int count = k.number("n_heads");
    int activation = k.activation("activation", "gelu");
    StackConfig stack =
        new StackConfig(
            d,
            k.number("n_layers"),
            Heads.plain(count, d / count, false),
            Positions.NONE,
            new Mlp(k.number("hidden_dim"), activation, false, true),
            Norms.layer(1e-12f).placed(Placement.AFTER),
            false,
            false,
            k.decimal("dropout", 0),
            "full");
    EmbeddingConfig embedding =
        EmbeddingConfig.learned(d, k.number("max_position_embeddings"), 0)
            .normed(Norm.WEIGHT_AND_BIAS, 1e-12f);
    return model(k, embedding, stack, heads(k, d, 1, masked(k, d, activation, 1e-12f)));
  }

  private static ModelConfig deberta(Keys k) {
    k.only("relative_attention", true).only("share_att_key", true);
    k.only("norm_rel_ebd", "layer_norm").only("position_biased_input", false);
    k.only("type_vocab_size", 0).only("legacy", true).only("conv_kernel_size", 0);
    String kinds = k.node("pos_att_type").toString();
    if (!kinds.contains("p2c") || !kinds.contains("c2p")) {
      throw new IllegalArgumentException(
          k.file() + ": 'pos_att_type': " + kinds + " is not supported; only p2c and c2p are");
    }
    int longest = k.number("max_relative_positions", -1);
    int context = k.number("max_position_embeddings");
    int farthest = longest < 1 ? context : longest;
    int buckets = k.number("position_buckets", -1);
    Positions positions =
        Positions.buckets(
            PositionKind.DISENTANGLED,
            buckets > 0 ? buckets : farthest,
            buckets > 0 ? farthest : 0);
    StackConfig plain = stack(k, positions, false);
    int d = plain.hidden();
    Heads h = plain.heads();
    // Three products make a score, so it is divided by the root of three head sizes.
    Heads heads =
        new Heads(
            h.count(), h.kv(), h.dim(), Heads.root(3.0 * h.dim()), 0, true, true, false, false);
    StackConfig stack =
        new StackConfig(
            d,
            plain.layers(),
            heads,
            positions,
            plain.mlp(),
            plain.norms(),
            false,
            false,
            plain.dropout(),
            "full");
    float eps = stack.norms().eps();
    EmbeddingConfig embedding = EmbeddingConfig.plain(d).normed(Norm.WEIGHT_AND_BIAS, eps);
    HeadConfig masked = masked(k, d, stack.mlp().activation(), eps);
    return model(k, embedding, stack, heads(k, d, GELU, masked));
  }

  // Of the layers with full attention; the others read no further than their window.
  private static RotaryScaling scaling(Keys k) {
    int context = k.number("max_position_embeddings");
    if (!k.scaling("sliding_attention", context).equals(RotaryScaling.NONE)) {
      throw new IllegalArgumentException(
          "rope_parameters: scaled frequencies in layers of sliding attention are not supported");
    }
    return k.scaling("full_attention", context);
  }

  private static ModelConfig modernBert(Keys k) {
    k.only("attention_bias", false).only("mlp_bias", false).only("norm_bias", false);
    k.only("classifier_pooling", "cls").only("classifier_bias", false).only("decoder_bias", true);
    k.only("classifier_activation", "gelu").only("position_embedding_type", "absolute");
    int d = k.number("hidden_size");
    int count = k.number("num_attention_heads");
    int layers = k.number("num_hidden_layers");
    float eps = k.decimal("norm_eps", 1e-5);
    double global =
        k.rope("full_attention")
            .path("rope_theta")
            .asDouble(k.decimal("global_rope_theta", 160000));
    double local =
        k.rope("sliding_attention")
            .path("rope_theta")
            .asDouble(k.decimal("local_rope_theta", 10000));
    StringBuilder text = new StringBuilder("full");
    int window = k.number("local_attention", 128) / 2 + 1;
    for (int i = 0; i < layers; i++) {
      if (i % k.number("global_attn_every_n_layers", 3) != 0) {
        text.append(",window:").append(window).append('@').append(i);
      }
    }
    int dim = d / count;
    StackConfig stack =
        new StackConfig(
            d,
            layers,
            new Heads(count, count, dim, Heads.root(dim), 0, false, false, false, false),
            Positions.rotary(global, local, dim, false, scaling(k)),
            new Mlp(
                k.number("intermediate_size"),
                k.activation("hidden_activation", "gelu"),
                true,
                false),
            new Norms(false, false, false, eps, 0, Placement.BEFORE, false, true),
            false,
            false,
            k.decimal("attention_dropout", 0),
            text.toString());
    HeadConfig masked =
        HeadConfig.language(k.number("vocab_size"), k.flag("tie_word_embeddings", true), true)
            .dense(d, GELU)
            .normed(eps, true);
    List<HeadConfig> heads = new ArrayList<>();
    for (HeadConfig head : heads(k, d, GELU, masked)) {
      heads.add(head.loss() == Loss.SPAN ? head : head.dense(d, GELU).normed(eps, true));
    }
    EmbeddingConfig embedding = EmbeddingConfig.plain(d).normed(Norm.WEIGHT, eps);
    return model(k, embedding, stack, heads);
  }
}
