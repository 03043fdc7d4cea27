package io.heddle.models;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.heddle.backend.Backend;
import io.heddle.tensor.DType;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;

/** Encoder-decoders for translation: new ones and saved ones. */
public final class Translators {
  private static final ObjectMapper JSON = new ObjectMapper();

  private Translators() {}

  /**
   * The shape of a new Transformer (Vaswani et al. 2017): ReLU, one table for both embeddings and
   * the output, embeddings times the root of d.
   *
   * @param hidden features of a token, d
   * @param encoderLayers blocks of the encoder
   * @param decoderLayers blocks of the decoder
   * @param heads attention heads
   * @param inner features inside the MLPs
   * @param context most tokens of a side
   * @param normsFirst {@code x + f(norm(x))} instead of {@code norm(x + f(x))}
   * @param scaleNorm ScaleNorm (Nguyen &amp; Salazar 2019) instead of layer norm
   * @param learned learned positions instead of sines; then, as BART and mBART have it, a norm of
   *     the embeddings, too
   * @param dropout on attention weights, embeddings and branch outputs
   */
  public record Shape(
      int hidden,
      int encoderLayers,
      int decoderLayers,
      int heads,
      int inner,
      int context,
      boolean normsFirst,
      boolean scaleNorm,
      boolean learned,
      float dropout) {
    private String family() {
      return learned ? normsFirst ? "mbart" : "bart" : normsFirst ? "pegasus" : "marian";
    }
  }

  /**
   * The tokens that frame texts.
   *
   * @param start the first token of the decoder's input
   * @param end after the last token of either side
   * @param padding fills rows up; nobody looks at it
   */
  public record Marks(int start, int end, int padding) {}

  /** The configuration of a new model, in the form of the transformers family that it fits. */
  public static ModelConfig config(Shape shape, int vocabulary, Marks marks) {
    String family = shape.family();
    String architecture =
        switch (family) {
          case "marian" -> "MarianMTModel";
          case "pegasus" -> "PegasusForConditionalGeneration";
          case "mbart" -> "MBartForConditionalGeneration";
          default -> "BartForConditionalGeneration";
        };
    ObjectNode json = JSON.createObjectNode();
    json.putArray("architectures").add(architecture);
    json.put("model_type", family)
        .put("vocab_size", vocabulary)
        .put("d_model", shape.hidden)
        .put("encoder_layers", shape.encoderLayers)
        .put("decoder_layers", shape.decoderLayers)
        .put("encoder_attention_heads", shape.heads)
        .put("decoder_attention_heads", shape.heads)
        .put("encoder_ffn_dim", shape.inner)
        .put("decoder_ffn_dim", shape.inner)
        .put("max_position_embeddings", shape.context)
        .put("activation_function", "relu")
        .put("scale_embedding", true)
        .put("tie_word_embeddings", true)
        .put("dropout", 0.0)
        .put("attention_dropout", 0.0)
        .put("is_encoder_decoder", true)
        .put("decoder_start_token_id", marks.start)
        .put("bos_token_id", marks.start)
        .put("eos_token_id", marks.end)
        .put("pad_token_id", marks.padding);
    if (shape.scaleNorm) {
      json.put("heddle_norm", "scale");
    }
    return HuggingFace.read(json, "the shape").withDropout(shape.dropout);
  }

  /** A new model with random weights. */
  public static Translator random(
      Shape shape, int vocabulary, Marks marks, Backend backend, DType dtype, long seed) {
    return (Translator) AutoModel.random(config(shape, vocabulary, marks), backend, dtype, seed);
  }

  /**
   * A saved model of any encoder-decoder family.
   *
   * @param dropout in training
   */
  public static Translator load(Path folder, float dropout, Backend backend, DType dtype) {
    try {
      ModelConfig config = ModelFolder.readConfig(folder.resolve("config.json"));
      if (config.target() == null) {
        throw new IllegalArgumentException(
            folder + ": " + config.family() + " is not an encoder-decoder, which translates");
      }
      ModelConfig asked = config.withDropout(dropout);
      return (Translator) ModelFolder.loadAs(asked, folder, backend, dtype);
    } catch (IOException e) {
      throw new UncheckedIOException("cannot read " + folder + ": " + e.getMessage(), e);
    }
  }

  /**
   * A saved model that translates, of whatever kind.
   *
   * @param dropout in training
   */
  public static SequenceToSequence open(Path folder, float dropout, Backend backend, DType dtype) {
    try {
      return Gnmt.isIn(folder)
          ? Gnmt.load(folder, dropout, backend, dtype)
          : load(folder, dropout, backend, dtype);
    } catch (IOException e) {
      throw new UncheckedIOException("cannot read " + folder + ": " + e.getMessage(), e);
    }
  }

  /** The marks of a model, as its configuration has them. */
  public static Marks marks(ModelConfig config) {
    try {
      JsonNode json = JSON.readTree(config.json());
      int end = json.path("eos_token_id").asInt(-1);
      int padding = json.path("pad_token_id").asInt(0);
      int start = json.path("decoder_start_token_id").asInt(json.path("bos_token_id").asInt(-1));
      if (end < 0 || start < 0) {
        throw new IllegalArgumentException(
            "this "
                + config.family()
                + " model's configuration lacks 'eos_token_id' or 'decoder_start_token_id'");
      }
      return new Marks(start, end, padding);
    } catch (IOException e) {
      throw new AssertionError("a configuration that was read before", e);
    }
  }
}
