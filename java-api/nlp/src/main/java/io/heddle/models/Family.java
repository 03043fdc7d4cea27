package io.heddle.models;

import java.util.Map;
import java.util.TreeMap;
import java.util.function.Function;

/**
 * A family of checkpoints: what its configuration means, and what its tensors are called.
 *
 * @param shape reads a configuration
 * @param names the table of {@link TensorNames}
 */
record Family(Function<Keys, ModelConfig> shape, String names) {
  private static final Map<String, Family> ALL = new TreeMap<>();

  static {
    LlamaFamilies.addTo(ALL);
    GptFamilies.addTo(ALL);
    EncoderFamilies.addTo(ALL);
    TranslatorFamilies.addTo(ALL);
  }

  static Family of(String type, String file) {
    Family family = ALL.get(type);
    if (family == null) {
      throw new IllegalArgumentException(
          file
              + ": model_type '"
              + type
              + "' is not known; known are "
              + String.join(", ", ALL.keySet()));
    }
    return family;
  }
}
