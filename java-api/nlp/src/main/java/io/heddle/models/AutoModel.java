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
    return ModelFolder.loadAny(folder, backend, dtype, false);
  }

  /**
   * The same, but tensors of heads may be missing (they start at random) and the file may hold more
   * than the model: a pretrained encoder becomes a classifier.
   */
  public static Model loadPartly(Path folder, Backend backend, DType dtype) {
    return ModelFolder.loadAny(folder, backend, dtype, true);
  }

  /** A model with random weights; the draw of each parameter depends on the seed and its name. */
  public static Model random(ModelConfig config, Backend backend, DType dtype, long seed) {
    Parameters p = new Parameters(backend, dtype);
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
    if (two) {
      // Marian's and BART's final_logits_bias is a buffer.
      if (config.head().bias()) {
        p.freeze("head\\.bias");
      }
      return new Translator(config, p);
    }
    return config.stack().heads().causal() ? new Decoder(config, p) : new Encoder(config, p);
  }
}
