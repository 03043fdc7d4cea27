package io.heddle.models;

import com.fasterxml.jackson.databind.JsonNode;
import io.heddle.nn.RotaryScaling;
import io.heddle.nn.RotaryScaling.Kind;
import io.heddle.nn.StackConfig.Positions;
import java.util.HashSet;
import java.util.Set;
import java.util.TreeSet;

/** Reads a {@code config.json} and remembers what was read, so that nothing is silently ignored. */
final class Keys {
  // What concerns training in transformers, tokenisation, generation or bookkeeping, and what
  // transformers itself does not read (old BART, Marian and ALBERT configurations).
  private static final Set<String> HARMLESS =
      Set.of(
          """
          model_type tie_word_embeddings architectures is_decoder transformers_version dtype torch_dtype use_cache
          _name_or_path initializer_range init_std initializer_factor initializer_cutoff_factor
          bos_token_id eos_token_id sep_token_id cls_token_id mask_token_id pad_token_id
          decoder_start_token_id forced_eos_token_id forced_bos_token_id id2label label2id
          num_labels problem_type task_specific_params tokenizer_class output_past
          gradient_checkpointing attn_pdrop embd_pdrop attention_dropout activation_dropout
          hidden_dropout dropout_rate dropout resid_pdrop resid_dropout embed_dropout
          embedding_dropout residual_dropout mlp_dropout attention_probs_dropout_prob
          hidden_dropout_prob classifier_dropout classifier_dropout_prob pooler_dropout
          seq_classif_dropout qa_dropout summary_first_dropout summary_last_dropout summary_type
          summary_use_proj summary_activation summary_proj_to_labels summary_hidden_size
          layerdrop encoder_layerdrop decoder_layerdrop heddle_schedule heddle_dropout
          _remove_final_layer_norm pretraining_tp slow_but_exact attention_softmax_in_fp32
          scale_attention_softmax_in_fp32 is_encoder_decoder max_window_layers
          use_sliding_window n_ctx onnx_export net_structure_type gap_size num_memory_blocks
          down_scale_factor output_attentions output_hidden_states return_dict
          static_position_embeddings extra_pos_embeddings add_bias_logits add_final_layer_norm
          normalize_before normalize_embedding classif_dropout num_beams max_length min_length
          no_repeat_ngram_size early_stopping length_penalty bad_words_ids pooler_hidden_size
          pooler_hidden_act pooler_fc_size pooler_num_attention_heads pooler_num_fc_layers
          pooler_size_per_head pooler_type legacy reference_compile deterministic_flash_attn
          sparse_prediction sparse_pred_ignore_index attention_layers num_return_sequences
          do_sample cache_implementation decoder_vocab_size share_encoder_decoder_embeddings
          directionality is_gated_act layer_types prefix ignore_attention_mask attention_mode
          repad_logits_with_grad n_inner offset_alibi skip_bias_add skip_bias_add_qkv unk_token_id
          bias_dropout_fusion masked_softmax_fusion inference_runner max_batch_size
          max_sequence_length pad_key_length pre_allocate_kv_cache validate_runner_input
          runner_max_sequence_length reorder_and_upcast_attn tie_weights_
          """
              .strip()
              .split("\\s+", -1));

  private final JsonNode json;
  private final String file;
  private final Set<String> read = new HashSet<>();

  Keys(JsonNode json, String file) {
    this.json = json;
    this.file = file;
  }

  String file() {
    return file;
  }

  JsonNode node(String key) {
    read.add(key);
    return json.path(key);
  }

  boolean has(String key) {
    return json.hasNonNull(key);
  }

  int number(String key) {
    JsonNode value = node(key);
    if (!value.isInt()) {
      throw new IllegalArgumentException(file + ": '" + key + "' is missing or not a whole number");
    }
    return value.asInt();
  }

  int number(String key, int otherwise) {
    return node(key).isNull() ? otherwise : json.path(key).asInt(otherwise);
  }

  float decimal(String key, double otherwise) {
    return (float) node(key).asDouble(otherwise);
  }

  boolean flag(String key, boolean otherwise) {
    return node(key).asBoolean(otherwise);
  }

  String text(String key, String otherwise) {
    return node(key).asText(otherwise);
  }

  /** The class after which the checkpoint is named, e.g. {@code BertForMaskedLM}. */
  String architecture() {
    return json.path("architectures").path(0).asText("");
  }

  int labels() {
    int named = json.path("id2label").size();
    return json.path("num_labels").asInt(named == 0 ? 2 : named);
  }

  /** Refuses any other value of a key than {@code only}. */
  Keys only(String key, Object only) {
    JsonNode value = node(key);
    if (!value.isMissingNode() && !value.isNull() && !value.asText().equals(only.toString())) {
      throw new IllegalArgumentException(
          file + ": '" + key + "': " + value + " is not supported; only " + only + " is");
    }
    return this;
  }

  int activation(String key, String otherwise) {
    String name = text(key, otherwise);
    return switch (name) {
      case "relu" -> 1;
      case "gelu" -> 2;
      case "gelu_new", "gelu_pytorch_tanh", "gelu_fast" -> 3;
      case "silu", "swish" -> 4;
      case "tanh" -> 5;
      default ->
          throw new IllegalArgumentException(file + ": activation '" + name + "' is not known");
    };
  }

  /**
   * Rotary positions, their base where versions 4 and 5 of transformers write it.
   *
   * @param otherwise the base where none is written
   * @param context in tokens
   */
  Positions rotary(double otherwise, int turned, boolean interleaved, int context) {
    double top = node("rope_theta").asDouble(node("rotary_emb_base").asDouble(otherwise));
    double theta = rope("").path("rope_theta").asDouble(top);
    return Positions.rotary(theta, theta, turned, interleaved, scaling("", context));
  }

  /** The rotary parameters, of one kind of layer where there are several. */
  JsonNode rope(String layers) {
    JsonNode all = has("rope_parameters") ? node("rope_parameters") : node("rope_scaling");
    node("rope_parameters");
    return layers.isEmpty() ? all : all.path(layers);
  }

  /**
   * How rotary frequencies are scaled, of one kind of layer where there are several.
   *
   * @param context tokens, where the scaling names no original context
   */
  RotaryScaling scaling(String layers, int context) {
    JsonNode rope = rope(layers);
    String kind = rope.path("rope_type").asText(rope.path("type").asText("default"));
    double factor = rope.path("factor").asDouble(1);
    int original = rope.path("original_max_position_embeddings").asInt(context);
    return switch (kind) {
      case "default" -> RotaryScaling.NONE;
      case "linear" -> new RotaryScaling(Kind.LINEAR, factor, 1, 1, original, 1, false);
      case "llama3" ->
          new RotaryScaling(
              Kind.LLAMA3,
              factor,
              rope.path("low_freq_factor").asDouble(1),
              rope.path("high_freq_factor").asDouble(4),
              original,
              1,
              false);
      case "yarn" -> {
        // Without a factor of its own it is that of the contexts.
        double longer = rope.path("factor").asDouble((double) context / original);
        yield new RotaryScaling(
            Kind.YARN,
            longer,
            rope.path("beta_slow").asDouble(1),
            rope.path("beta_fast").asDouble(32),
            original,
            rope.path("attention_factor").asDouble(amplitude(rope, longer)),
            rope.path("truncate").asBoolean(true));
      }
      default ->
          throw new IllegalArgumentException(
              file
                  + ": rope_type '"
                  + kind
                  + "' is not supported; default, linear, llama3 and yarn are");
    };
  }

  private static double amplitude(JsonNode rope, double factor) {
    double own = rope.path("mscale").asDouble(0);
    double all = rope.path("mscale_all_dim").asDouble(0);
    double grown = factor > 1 ? 0.1 * Math.log(factor) : 0;
    return own == 0 || all == 0 ? 1 + grown : (1 + own * grown) / (1 + all * grown);
  }

  /** Refuses keys that nothing has read and that are not known to be harmless. */
  void finish() {
    Set<String> unknown = new TreeSet<>();
    json.fieldNames().forEachRemaining(unknown::add);
    unknown.removeAll(read);
    unknown.removeAll(HARMLESS);
    if (!unknown.isEmpty()) {
      throw new IllegalArgumentException(
          file
              + ": unknown key"
              + (unknown.size() > 1 ? "s " : " ")
              + "'"
              + String.join("', '", unknown)
              + "': remove what does not change the computation; the rest is not supported");
    }
  }
}
