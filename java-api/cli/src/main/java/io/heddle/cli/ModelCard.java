package io.heddle.cli;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.heddle.models.Blueprint;
import io.heddle.models.ModelConfig;
import io.heddle.models.Schedule;
import io.heddle.nn.StackConfig;
import io.heddle.op.pattern.AttentionPattern;
import io.heddle.tensor.DType;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * What a model folder's configuration says: shape, size, and the attention of each layer, drawn.
 */
final class ModelCard {
  // Cells of a drawing, and most keys that are drawn: contexts can be without bound.
  private static final int CELLS = 32;
  private static final int KEYS = 1 << 16;
  private static final List<DType> TYPES = List.of(DType.F32, DType.BF16);

  private final ModelConfig config;
  private final Blueprint blueprint;

  ModelCard(ModelConfig config) {
    this.config = config;
    this.blueprint = Blueprint.of(config);
  }

  private String architecture() {
    try {
      String named =
          new ObjectMapper().readTree(config.json()).path("architectures").path(0).asText("");
      return named.isEmpty() ? config.family() : named;
    } catch (com.fasterxml.jackson.core.JsonProcessingException e) {
      throw new IllegalStateException("a configuration that was read is not JSON", e);
    }
  }

  private Map<String, StackConfig> stacks() {
    Map<String, StackConfig> out = new LinkedHashMap<>();
    StackConfig target = config.target();
    out.put(target == null ? "" : "encoder ", config.stack());
    if (target != null) {
      out.put("decoder ", target);
    }
    return out;
  }

  private static Schedule schedule(StackConfig s) {
    return Schedule.parse(s.schedule(), s.layers(), s.heads().count());
  }

  String text() {
    StringBuilder out = new StringBuilder();
    line(out, "model", architecture() + " (" + config.family() + ")");
    line(out, "parameters", String.format(Locale.ROOT, "%,d", blueprint.parameters()));
    stacks().forEach((name, s) -> line(out, name + "blocks", shape(s)));
    line(out, "vocabulary", config.vocabulary() + " tokens, context " + config.context());
    for (DType type : TYPES) {
      String name = type.name().toLowerCase(Locale.ROOT);
      String memory = ByteCount.of(blueprint.bytes(type));
      if (writes()) {
        memory += ", and " + ByteCount.of(blueprint.cacheBytes(type)) + " for each token written";
      }
      line(out, "memory in " + name, memory);
    }
    line(out, "memory in int8", ByteCount.of(blueprint.int8Bytes()) + " with the rest in f32");
    stacks().forEach((name, s) -> attention(out, name, s));
    return out.toString().stripTrailing();
  }

  private boolean writes() {
    return config.target() != null || config.stack().heads().causal();
  }

  private static String shape(StackConfig s) {
    return s.layers()
        + " of "
        + s.hidden()
        + " features, "
        + s.heads().count()
        + " heads of "
        + s.heads().dim()
        + (s.heads().kv() == s.heads().count() ? "" : " over " + s.heads().kv() + " of keys")
        + ", "
        + s.mlp().inner()
        + " inner features";
  }

  private static void line(StringBuilder out, String name, String value) {
    out.append(String.format("%-18s%s%n", name, value));
  }

  private void attention(StringBuilder out, String name, StackConfig s) {
    int keys = Math.min(config.context(), KEYS);
    boolean causal = s.heads().causal();
    out.append(
        String.format(
            "%sattention, schedule '%s': keys that token %d of %d sees, # all, + some, . none%n",
            name, s.schedule(), query(keys, causal), keys));
    Schedule schedule = schedule(s);
    int width = 4;
    for (int layer = 0; layer < s.layers(); layer++) {
      width = Math.max(width, schedule.describe(layer).length());
    }
    for (int layer = 0; layer < s.layers(); layer++) {
      String format = "  layer %3d  %-" + width + "s  %s%n";
      String drawing = drawn(schedule.groups(layer), causal, keys);
      out.append(String.format(format, layer, schedule.describe(layer), drawing));
    }
  }

  // The last token of a causal model sees most, of an encoder's one in the middle.
  private static int query(int keys, boolean causal) {
    return causal ? keys - 1 : keys / 2;
  }

  /** The keys that one query sees in any head, in at most {@link #CELLS} cells. */
  static String drawn(List<String> patterns, boolean causal, int keys) {
    List<AttentionPattern> all = new ArrayList<>();
    patterns.forEach(p -> all.add(Schedule.pattern(p, causal)));
    int query = query(keys, causal);
    int cells = Math.min(CELLS, keys);
    StringBuilder out = new StringBuilder();
    for (int cell = 0; cell < cells; cell++) {
      int from = (int) ((long) cell * keys / cells);
      int to = (int) ((cell + 1L) * keys / cells);
      int seen = 0;
      for (int k = from; k < to; k++) {
        int key = k;
        seen += all.stream().anyMatch(p -> p.allows(query, key)) ? 1 : 0;
      }
      out.append(seen == 0 ? '.' : seen == to - from ? '#' : '+');
    }
    return out.toString();
  }

  ObjectNode json() {
    ObjectNode out = new ObjectMapper().createObjectNode();
    out.put("family", config.family()).put("architecture", architecture());
    out.put("parameters", blueprint.parameters());
    out.put("vocabulary", config.vocabulary()).put("context", config.context());
    ObjectNode memory = out.putObject("memory");
    ObjectNode cache = writes() ? out.putObject("cache_bytes_per_token") : null;
    for (DType type : TYPES) {
      String name = type.name().toLowerCase(Locale.ROOT);
      memory.put(name, blueprint.bytes(type));
      if (cache != null) {
        cache.put(name, blueprint.cacheBytes(type));
      }
    }
    memory.put("int8", blueprint.int8Bytes());
    ArrayNode all = out.putArray("stacks");
    stacks().forEach((name, s) -> put(all.addObject(), name, s));
    return out;
  }

  private void put(ObjectNode node, String name, StackConfig s) {
    if (!name.isEmpty()) {
      node.put("name", name.strip());
    }
    node.put("hidden", s.hidden()).put("layers", s.layers()).put("inner", s.mlp().inner());
    node.put("heads", s.heads().count()).put("key_heads", s.heads().kv());
    node.put("head_size", s.heads().dim()).put("causal", s.heads().causal());
    node.put("schedule", s.schedule());
    Schedule schedule = schedule(s);
    ArrayNode attention = node.putArray("attention");
    for (int layer = 0; layer < s.layers(); layer++) {
      attention.add(schedule.describe(layer));
    }
  }
}
