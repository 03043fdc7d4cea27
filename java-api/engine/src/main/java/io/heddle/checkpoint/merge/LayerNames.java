package io.heddle.checkpoint.merge;

import java.util.Collection;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** What tensors' names say of their place in a transformer. */
final class LayerNames {
  private static final Pattern LAYER = Pattern.compile("(^|\\.)(\\d+)(?=\\.)");
  private static final List<String> HEADS =
      List.of("lm_head.weight", "output.weight", "embed_out.weight");
  private static final List<String> EMBEDDINGS =
      List.of(
          "embed_tokens.weight",
          "wte.weight",
          "embed_in.weight",
          "tok_embeddings.weight",
          "word_embeddings.weight",
          "shared.weight");

  private LayerNames() {}

  /** The layer that a tensor belongs to: the first number between dots; -1 for none. */
  static int layer(String name) {
    Matcher matcher = LAYER.matcher(name);
    return matcher.find() && matcher.group(2).length() < 8
        ? Integer.parseInt(matcher.group(2))
        : -1;
  }

  /** The name with another layer's number. */
  static String withLayer(String name, int layer) {
    return LAYER.matcher(name).replaceFirst("$1" + layer);
  }

  /** Number of layers. */
  static int layers(Collection<String> names) {
    return names.stream().mapToInt(LayerNames::layer).max().orElse(-1) + 1;
  }

  /** Whether a tensor that belongs to no layer stands before the first: an embedding. */
  static boolean isBefore(String name) {
    return name.contains("emb") || name.contains("wte") || name.contains("wpe");
  }

  /** Where a gradient is read for a tensor, 0 to 1; tensors outside layers are at the ends. */
  static double position(String name, int layers) {
    int layer = layer(name);
    if (layer < 0) {
      return isBefore(name) ? 0 : 1;
    }
    return layers < 2 ? 0 : (double) layer / (layers - 1);
  }

  /** Whether the name is that of a head that may be tied to the embedding. */
  static boolean isHead(String name) {
    return HEADS.stream().anyMatch(head -> ends(name, head)) && layer(name) < 0;
  }

  /** The embedding that a missing head is tied to; null if there is not exactly one. */
  static @Nullable String embedding(Collection<String> names) {
    List<String> found =
        names.stream().filter(n -> EMBEDDINGS.stream().anyMatch(e -> ends(n, e))).toList();
    return found.size() == 1 ? found.getFirst() : null;
  }

  /** Whether dimension 0 of a tensor counts the words of a vocabulary. */
  static boolean hasVocabulary(String name) {
    return layer(name) < 0
        && (EMBEDDINGS.stream().anyMatch(e -> ends(name, e))
            || isHead(name)
            || ends(name, "lm_head.bias"));
  }

  private static boolean ends(String name, String last) {
    return name.equals(last) || name.endsWith("." + last);
  }
}
