package io.heddle.models;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.heddle.nn.StackConfig;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The shape of a model. Its {@code config.json} is the canonical form: this record is what that
 * means, and saving writes it back.
 *
 * @param family {@code model_type} of the configuration
 * @param vocabulary number of tokens, V
 * @param context most tokens of a sequence
 * @param embedding how tokens become vectors
 * @param stack the blocks; of an encoder-decoder the encoder's
 * @param target the decoder's blocks of an encoder-decoder, or null
 * @param heads what is computed from the last hidden states; at least one but for bare encoders
 * @param json the configuration as text
 */
public record ModelConfig(
    String family,
    int vocabulary,
    int context,
    EmbeddingConfig embedding,
    StackConfig stack,
    @Nullable StackConfig target,
    List<HeadConfig> heads,
    String json) {

  /** What stands beside the tokens' own vectors. */
  public enum Table {
    /** Nothing: attention knows positions. */
    NONE,
    /** A learned vector for every position. */
    LEARNED,
    /** Sines, then cosines (Vaswani et al. 2017), as Marian computes them. */
    SINES,
    /** The same with frequencies down to 1/10000 exactly, as XGLM computes them. */
    FAIRSEQ_SINES
  }

  /**
   * How tokens become vectors.
   *
   * @param size features of the table, E; projected to d where they differ
   * @param scale factor on the tokens' vectors
   * @param table what is added for positions
   * @param rows positions in the table
   * @param offset row of position 0
   * @param skipPadding padding takes the row before {@code offset} (RoBERTa)
   * @param types segments (sentence A, sentence B); 0 for none
   * @param norm layer norm of the sum, and whether it has a bias
   * @param eps of that norm
   */
  public record EmbeddingConfig(
      int size,
      float scale,
      Table table,
      int rows,
      int offset,
      boolean skipPadding,
      int types,
      Norm norm,
      float eps) {
    /** Tokens alone. */
    public static EmbeddingConfig plain(int size) {
      return new EmbeddingConfig(size, 1, Table.NONE, 0, 0, false, 0, Norm.NONE, 0);
    }

    /** Tokens and learned positions. */
    public static EmbeddingConfig learned(int size, int rows, int offset) {
      return new EmbeddingConfig(
          size, 1, Table.LEARNED, rows + offset, offset, false, 0, Norm.NONE, 0);
    }

    /** The same with a factor on the tokens. */
    public EmbeddingConfig scaled(float factor) {
      return new EmbeddingConfig(size, factor, table, rows, offset, skipPadding, types, norm, eps);
    }

    /** The same with a norm. */
    public EmbeddingConfig normed(Norm kind, float epsilon) {
      return new EmbeddingConfig(
          size, scale, table, rows, offset, skipPadding, types, kind, epsilon);
    }
  }

  /** The norm of an embedding. */
  public enum Norm {
    /** None. */
    NONE,
    /** Layer norm without bias. */
    WEIGHT,
    /** Layer norm. */
    WEIGHT_AND_BIAS
  }

  /** What a head's outputs are held against. */
  public enum Loss {
    /** One class of the outputs. */
    CROSS_ENTROPY,
    /** Yes or no. */
    BINARY,
    /** A number. */
    SQUARED,
    /** The first and last token of an answer. */
    SPAN,
    /** One of several rows of the batch. */
    CHOICE
  }

  /**
   * A head: {@code out(norm(f(dense(x))))}.
   *
   * @param name of its parameters
   * @param pooled of the first token only
   * @param dense features of the dense layer; 0 for none
   * @param activation after the dense layer, kind of {@code params.def}
   * @param norm a layer norm after that
   * @param normEps of that norm
   * @param slim neither dense layer nor norm have biases
   * @param outputs number of outputs
   * @param bias on the outputs
   * @param tied the output product uses the embedding table
   * @param scale factor on hidden states before a tied product (T5)
   * @param cap bound on outputs, {@code cap tanh(y / cap)}; 0 for none
   * @param loss what they are held against
   */
  public record HeadConfig(
      String name,
      boolean pooled,
      int dense,
      int activation,
      boolean norm,
      float normEps,
      boolean slim,
      int outputs,
      boolean bias,
      boolean tied,
      float scale,
      float cap,
      Loss loss) {
    /** Logits of a vocabulary straight from hidden states. */
    public static HeadConfig language(int vocabulary, boolean tied, boolean bias) {
      return new HeadConfig(
          "head", false, 0, 0, false, 0, false, vocabulary, bias, tied, 1, 0, Loss.CROSS_ENTROPY);
    }

    /** Outputs with a bias, without a dense layer. */
    public static HeadConfig outputs(String name, boolean pooled, int outputs, Loss loss) {
      return new HeadConfig(name, pooled, 0, 0, false, 0, false, outputs, true, false, 1, 0, loss);
    }

    /** The same after a dense layer. */
    public HeadConfig dense(int size, int kind) {
      return new HeadConfig(
          name, pooled, size, kind, norm, normEps, slim, outputs, bias, tied, scale, cap, loss);
    }

    /** The same with another number of outputs. */
    public HeadConfig withOutputs(int count) {
      return new HeadConfig(
          name,
          pooled,
          dense,
          activation,
          norm,
          normEps,
          slim,
          count,
          bias,
          tied,
          scale,
          cap,
          loss);
    }

    /** The same with a norm after the dense layer. */
    public HeadConfig normed(float eps, boolean withoutBiases) {
      return new HeadConfig(
          name,
          pooled,
          dense,
          activation,
          true,
          eps,
          withoutBiases,
          outputs,
          bias,
          tied,
          scale,
          cap,
          loss);
    }

    /** The same with a factor on hidden states and a bound on outputs. */
    public HeadConfig shaped(float factor, float bound) {
      return new HeadConfig(
          name,
          pooled,
          dense,
          activation,
          norm,
          normEps,
          slim,
          outputs,
          bias,
          tied,
          factor,
          bound,
          loss);
    }
  }

  /** Checks sizes, and that the schedule fits. */
  public ModelConfig {
    if (vocabulary < 1 || context < 1) {
      throw new IllegalArgumentException(
          "vocabulary (" + vocabulary + ") and context (" + context + ") must be at least 1");
    }
    heads = List.copyOf(heads);
    Schedule.parse(stack.schedule(), stack.layers(), stack.heads().count());
  }

  /** A Llama-shaped model: RMS norm, rotary positions, SwiGLU, no biases, tied output. */
  public static ModelConfig llama(
      int vocabulary,
      int hidden,
      int layers,
      int heads,
      int kvHeads,
      int intermediate,
      int context,
      String schedule) {
    ObjectNode json = new ObjectMapper().createObjectNode();
    json.putArray("architectures").add("LlamaForCausalLM");
    json.put("model_type", "llama");
    json.put("vocab_size", vocabulary);
    json.put("hidden_size", hidden);
    json.put("num_hidden_layers", layers);
    json.put("num_attention_heads", heads);
    json.put("num_key_value_heads", kvHeads);
    json.put("head_dim", hidden / Math.max(heads, 1));
    json.put("intermediate_size", intermediate);
    json.put("max_position_embeddings", context);
    json.put("rms_norm_eps", 1e-5);
    json.put("rope_theta", 10000.0);
    json.put("hidden_act", "silu");
    json.put("attention_bias", false);
    json.put("mlp_bias", false);
    json.put("attention_dropout", 0.0);
    json.put("tie_word_embeddings", true);
    return HuggingFace.read(json, "the shape").withSchedule(schedule);
  }

  /** A BERT-shaped model with both heads of its pretraining: hidden tokens and pairs. */
  public static ModelConfig bert(int vocabulary, int hidden, int layers, int heads, int context) {
    ObjectNode json = EncoderFamilies.bert(vocabulary, hidden, layers, heads, context, 0);
    json.putArray("architectures").add("BertForPreTraining");
    return HuggingFace.read(json, "the shape");
  }

  /** A GPT-2-shaped model: layer norm, learned positions, GELU, biases, tied output. */
  public static ModelConfig gpt2(
      int vocabulary, int hidden, int layers, int heads, int context, String schedule) {
    return gpt2(vocabulary, hidden, layers, heads, 4 * hidden, context, schedule);
  }

  /** The same with {@code intermediate} features inside its MLPs. */
  public static ModelConfig gpt2(
      int vocabulary,
      int hidden,
      int layers,
      int heads,
      int intermediate,
      int context,
      String schedule) {
    ObjectNode json = new ObjectMapper().createObjectNode();
    json.putArray("architectures").add("GPT2LMHeadModel");
    json.put("model_type", "gpt2");
    json.put("vocab_size", vocabulary);
    json.put("n_embd", hidden);
    json.put("n_layer", layers);
    json.put("n_head", heads);
    json.put("n_inner", intermediate);
    json.put("n_positions", context);
    json.put("layer_norm_epsilon", 1e-5);
    json.put("activation_function", "gelu_new");
    for (String key : new String[] {"resid_pdrop", "embd_pdrop", "attn_pdrop"}) {
      json.put(key, 0.0);
    }
    json.put("tie_word_embeddings", true);
    return HuggingFace.read(json, "the shape").withSchedule(schedule);
  }

  /** Features of a token, d. */
  public int hidden() {
    return stack.hidden();
  }

  /** Number of blocks. */
  public int layers() {
    return stack.layers();
  }

  /** Attention of each layer, see {@link Schedule}. */
  public String schedule() {
    return stack.schedule();
  }

  /** The same with another schedule; empty or the present one changes nothing. */
  public ModelConfig withSchedule(String other) {
    return other.isEmpty() || other.equals(stack.schedule())
        ? this
        : new ModelConfig(
            family,
            vocabulary,
            context,
            embedding,
            stack.withSchedule(other),
            target,
            heads,
            HuggingFace.with(json, "heddle_schedule", other));
  }

  /**
   * The same for sequences of another length. What the configuration says of positions changes with
   * it; a learned table has as many rows more or less.
   */
  public ModelConfig withContext(int other) {
    return other == context ? this : HuggingFace.withContext(this, other);
  }

  /** The same with an output layer of its own instead of the embedding's table. */
  public ModelConfig untied() {
    return HuggingFace.untied(this);
  }

  /** The same with another dropout, on attention weights, embeddings and branch outputs alike. */
  public ModelConfig withDropout(float other) {
    return new ModelConfig(
        family,
        vocabulary,
        context,
        embedding,
        stack.withDropout(other),
        target == null ? null : target.withDropout(other),
        heads,
        HuggingFace.with(json, "heddle_dropout", Double.parseDouble(Float.toString(other))));
  }

  /** The model's own word for its only head, or its first. */
  public HeadConfig head() {
    if (heads.isEmpty()) {
      throw new IllegalArgumentException("this " + family + " model has no head");
    }
    return heads.get(0);
  }
}
