package io.heddle.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import io.heddle.checkpoint.Checkpoint;
import io.heddle.checkpoint.StorageType;
import io.heddle.checkpoint.merge.Merge;
import io.heddle.checkpoint.merge.Method;
import io.heddle.checkpoint.merge.Setting;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * A merge as mergekit's YAML describes it (docs of github.com/arcee-ai/mergekit); what Heddle does
 * otherwise is in docs/merging.md. A key that is not known is an error.
 */
final class Recipe {
  private static final Set<String> TOP =
      Set.of(
          "merge_method",
          "base_model",
          "models",
          "slices",
          "parameters",
          "dtype",
          "out_dtype",
          "tokenizer_source",
          "tokenizer");

  private final Path file;
  private final JsonNode root;
  private final Method method;
  private final Map<Path, Checkpoint> models = new LinkedHashMap<>();
  private final List<String> notes = new ArrayList<>();

  private Recipe(Path file, JsonNode root) {
    this.file = file;
    this.root = root;
    checkKeys(root, "the recipe", TOP);
    this.method = Method.of(text(root, "merge_method", "the recipe"));
  }

  static Recipe read(Path file) throws IOException {
    JsonNode root = new YAMLMapper().readTree(file.toFile());
    if (root == null || !root.isObject()) {
      throw new IllegalArgumentException(file + " is not a recipe: it has no keys");
    }
    return new Recipe(file, root);
  }

  /** What a user of mergekit should know of this merge. */
  List<String> notes() {
    return notes;
  }

  /**
   * The merge.
   *
   * @param open takes every checkpoint that is opened; the caller closes them
   */
  Merge merge(List<Checkpoint> open) throws IOException {
    boolean sliced = root.has("slices");
    if (sliced == root.has("models")) {
      throw wrong("needs either models or slices");
    }
    @Nullable Path base = root.has("base_model") ? path(root.get("base_model")) : null;
    List<Path> order = order(sliced, base);
    Merge merge = Merge.of(method, method.takesBase() && base != null ? open(base, open) : null);
    Map<Path, Map<String, Setting>> own = new LinkedHashMap<>();
    for (JsonNode model : root.path("models")) {
      checkKeys(model, "a model", Set.of("model", "parameters"));
      own.put(path(model.get("model")), settings(model.get("parameters"), true));
    }
    for (Path path : order) {
      merge.add(open(path, open), own.getOrDefault(path, Map.of()));
    }
    for (JsonNode slice : root.path("slices")) {
      slice(merge, slice, order);
    }
    settings(root.get("parameters"), false).forEach(merge::set);
    if (method == Method.LINEAR && !root.path("parameters").has("normalize")) {
      merge.set("normalize", 1);
      notes.add("weights are divided by their sum: mergekit's default for linear; set normalize");
    }
    JsonNode dtype = root.has("out_dtype") ? root.get("out_dtype") : root.get("dtype");
    if (dtype != null) {
      merge.dtype(dtype(dtype.asText()));
    }
    tokenizer(merge, base);
    return merge;
  }

  /** The sources in the order of the recipe; the base is none, but for slerp it is the first. */
  private List<Path> order(boolean sliced, @Nullable Path base) {
    Set<Path> found = new java.util.LinkedHashSet<>();
    for (JsonNode model : root.path("models")) {
      found.add(path(model.get("model")));
    }
    for (JsonNode slice : root.path("slices")) {
      for (JsonNode source : slice.path("sources")) {
        found.add(path(source.get("model")));
      }
    }
    List<Path> order = new ArrayList<>(found);
    if (base != null && method == Method.SLERP) {
      order.remove(base);
      order.addFirst(base);
    } else if (base != null && method.takesBase() && !sliced) {
      order.remove(base);
    } else if (base != null && !method.takesBase()) {
      notes.add(method.id() + " has no base: base_model is used for nothing");
    }
    return order;
  }

  private void slice(Merge merge, JsonNode slice, List<Path> order) {
    checkKeys(slice, "a slice", Set.of("sources", "parameters"));
    Map<String, Setting> settings = new TreeMap<>(settings(slice.get("parameters"), false));
    List<int @Nullable []> ranges = new ArrayList<>();
    order.forEach(path -> ranges.add(null));
    for (JsonNode source : slice.path("sources")) {
      checkKeys(source, "a slice's source", Set.of("model", "layer_range", "parameters"));
      JsonNode range = source.path("layer_range");
      if (range.size() != 2) {
        throw wrong("a slice's source needs layer_range: [from, to]");
      }
      int at = order.indexOf(path(source.get("model")));
      ranges.set(at, new int[] {range.get(0).asInt(), range.get(1).asInt()});
      Map<String, Setting> own = settings(source.get("parameters"), true);
      if (!own.isEmpty() && slice.path("sources").size() > 1) {
        throw wrong("parameters of one of several sources of a slice are not supported");
      }
      settings.putAll(own);
    }
    merge.slice(ranges, settings);
  }

  private void tokenizer(Merge merge, @Nullable Path base) {
    JsonNode source = root.get("tokenizer_source");
    if (root.has("tokenizer")) {
      checkKeys(root.get("tokenizer"), "tokenizer", Set.of("source"));
      source = root.get("tokenizer").get("source");
    }
    if (source == null || source.asText().equals("base")) {
      return;
    }
    if (source.asText().equals("union")) {
      throw wrong("tokenizer_source 'union' is not supported: name the model to take it from");
    }
    String name = source.asText();
    merge.tokenizer(path(name.startsWith("model:") ? name.substring(6) : name));
    if (base != null) {
      notes.add("the tokenizer is that of " + name + "; rows of embeddings keep their places");
    }
  }

  private Map<String, Setting> settings(@Nullable JsonNode parameters, boolean ofSource) {
    Map<String, Setting> out = new TreeMap<>();
    if (parameters == null) {
      return out;
    }
    parameters
        .properties()
        .forEach(
            entry -> {
              String key = entry.getKey();
              boolean known =
                  method.sourceSettings().containsKey(key)
                      || (!ofSource && method.settings().containsKey(key));
              JsonNode value = entry.getValue();
              if (key.equals("int8_mask")) {
                return; // a matter of mergekit's memory
              }
              if (!known && value.isBoolean() && !value.asBoolean()) {
                return; // what is switched off changes nothing
              }
              if (!known) {
                throw wrong("the parameter '" + key + "' is not known to " + method.id());
              }
              out.put(key, setting(key, value));
            });
    return out;
  }

  private Setting setting(String key, JsonNode value) {
    if (!value.isArray() || value.isEmpty() || !value.get(0).isObject()) {
      return Setting.gradient(numbers(key, value));
    }
    @Nullable Setting out = null;
    for (JsonNode rule : value) {
      checkKeys(rule, "the parameter '" + key + "'", Set.of("filter", "value"));
      double[] numbers = numbers(key, rule.path("value"));
      String filter = rule.path("filter").asText("*");
      out = out == null ? Setting.filter(filter, numbers) : out.where(filter, numbers);
    }
    return out == null ? Setting.of(0) : out;
  }

  private double[] numbers(String key, JsonNode value) {
    List<JsonNode> all = new ArrayList<>();
    if (value.isArray()) {
      value.forEach(all::add);
    } else {
      all.add(value);
    }
    for (JsonNode one : all) {
      if (!one.isNumber() && !one.isBoolean()) {
        throw wrong("the parameter '" + key + "' is " + value + ", which is not a number");
      }
    }
    return all.stream()
        .mapToDouble(n -> n.isBoolean() ? (n.asBoolean() ? 1 : 0) : n.asDouble())
        .toArray();
  }

  private static StorageType dtype(String name) {
    return switch (name) {
      case "float64" -> StorageType.F64;
      case "float32" -> StorageType.F32;
      case "float16" -> StorageType.F16;
      case "bfloat16" -> StorageType.BF16;
      default ->
          throw new IllegalArgumentException(
              "dtype is '" + name + "'; it can be float64, float32, float16 or bfloat16");
    };
  }

  private Checkpoint open(Path path, List<Checkpoint> open) throws IOException {
    Checkpoint checkpoint = models.get(path);
    if (checkpoint == null) {
      checkpoint = Checkpoint.open(path);
      models.put(path, checkpoint);
      open.add(checkpoint);
    }
    return checkpoint;
  }

  private Path path(@Nullable JsonNode name) {
    if (name == null || !name.isTextual()) {
      throw wrong("a model is given as " + name + "; it must be a path");
    }
    return path(name.asText());
  }

  /** Beside the recipe, or else in the working folder. */
  private Path path(String name) {
    Path beside = file.toAbsolutePath().resolveSibling(name).normalize();
    Path found = Files.exists(beside) ? beside : Path.of(name).toAbsolutePath().normalize();
    if (!Files.exists(found)) {
      throw wrong("there is no model '" + name + "': models are files or folders, not downloads");
    }
    return found;
  }

  private void checkKeys(JsonNode node, String what, Set<String> known) {
    node.fieldNames()
        .forEachRemaining(
            key -> {
              if (!known.contains(key)) {
                throw wrong("the key '" + key + "' of " + what + " is not supported");
              }
            });
  }

  private String text(JsonNode node, String key, String what) {
    if (!node.path(key).isTextual()) {
      throw wrong("the key '" + key + "' of " + what + " is missing");
    }
    return node.path(key).asText();
  }

  private IllegalArgumentException wrong(String why) {
    return new IllegalArgumentException(file + ": " + why);
  }
}
