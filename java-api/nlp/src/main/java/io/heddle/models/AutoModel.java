package io.heddle.models;

import io.heddle.backend.Backend;
import io.heddle.models.ModelConfig.HeadConfig;
import io.heddle.nn.Parameters;
import io.heddle.nn.Stack;
import io.heddle.tensor.DType;
import java.nio.file.Path;

/** Models by their folder: {@code config.json} says which family it is. */
public final class AutoModel {
  private AutoModel() {}

  /**
   * Loads a model.
   *
   * @param folder with {@code config.json} and safetensors, one file or shards with an index
   * @param dtype element type to run in; the files may hold any float type
   */
  public static Model load(Path folder, Backend backend, DType dtype) {
    return load(folder, backend, Loading.as(dtype));
  }

  /** The same, as {@code how} says. */
  public static Model load(Path folder, Backend backend, Loading how) {
    return ModelFolder.loadAny(folder, backend, how);
  }

  /**
   * The same, but tensors of heads may be missing (they start at random) and the file may hold more
   * than the model: a pretrained encoder becomes a classifier.
   */
  public static Model loadPartly(Path folder, Backend backend, DType dtype) {
    return load(folder, backend, Loading.as(dtype).partly(true));
  }

  /** A model with random weights; the draw of each parameter depends on the seed and its name. */
  public static Model random(ModelConfig config, Backend backend, DType dtype, long seed) {
    Model model = built(config, Parameters.awaiting(backend, dtype, false), seed);
    model.parameters().drawAll();
    return model;
  }

  /**
   * An encoder in parameters that the caller owns, as {@link Parameters#part}: its values are drawn
   * when theirs are.
   */
  public static Encoder encoder(ModelConfig config, Parameters p, long seed) {
    if (config.target() != null || config.stack().heads().causal()) {
      throw new IllegalArgumentException(config.family() + " is not an encoder");
    }
    return (Encoder) built(config, p, seed);
  }

  /** A model whose parameters wait for their values, see {@link Parameters#awaiting}. */
  static Model awaiting(ModelConfig config, Backend backend, DType dtype, boolean int8) {
    return built(config, Parameters.awaiting(backend, dtype, int8), 0);
  }

  private static Model built(ModelConfig config, Parameters p, long seed) {
    try {
      create(config, p, seed);
      if (config.target() != null) {
        return new Translator(config, p);
      }
      return config.stack().heads().causal() ? new Decoder(config, p) : new Encoder(config, p);
    } catch (RuntimeException | Error e) {
      p.close();
      throw e;
    }
  }

  private static void create(ModelConfig config, Parameters p, long seed) {
    boolean two = config.target() != null;
    Embedding.createTokens(config.embedding(), p, config.vocabulary(), seed);
    String first = two ? "encoder." : "";
    Embedding.create(config.embedding(), p, first, config.hidden(), seed);
    Stack.create(config.stack(), p, first, seed);
    if (config.target() != null) {
      Embedding.create(config.embedding(), p, "decoder.", config.hidden(), seed);
      Stack.create(config.target(), p, "decoder.", seed);
    }
    for (HeadConfig head : config.heads()) {
      Head.create(head, p, config.hidden(), seed);
    }
    // Marian's and BART's final_logits_bias is a buffer.
    if (two && config.head().bias()) {
      p.freeze("head\\.bias");
    }
  }
}
