package io.heddle.models;

import io.heddle.op.pattern.AttentionPattern;
import io.heddle.op.pattern.Patterns;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * Which layers, and heads, attend how (MASFormer, arXiv 2310.12442). Written as items separated by
 * commas, later ones winning: {@code window:128,full@3} is a causal window of 128 tokens in every
 * layer but full attention in layer 3.
 *
 * <pre>
 * schedule = item { "," item } | name of a {@link SchedulePreset}
 * item    = pattern [ "@" layers ] [ "#" heads ]       layers, heads = 3 | 0-2 | 0+4+8, counted from 0
 * layers  = bottom:N | middle:N | top:N | every:N      that many of them, see {@link Placement}
 * pattern = part { "|" part }                          union of parts
 * part    = full | window:W | block:B[/P] | dilated:W/S | global:N
 * </pre>
 *
 * {@code window:W} shows W tokens, the query's own among them; {@code block:B/P} the query's block
 * of B and P before it; {@code dilated:W/S} every S-th of W tokens; {@code global:N} the first N
 * tokens. All are causal.
 */
public final class Schedule {
  private final String text;
  private final String[][] patterns; // [layer][head]

  private Schedule(String text, String[][] patterns) {
    this.text = text;
    this.patterns = patterns;
  }

  /**
   * Where the full layers stand among the sparse ones (MASFormer finds them best at the bottom).
   */
  public enum Placement {
    /** The first ones, next to the embedding. */
    BOTTOM,
    /** Around the middle. */
    MIDDLE,
    /** The last ones. */
    TOP,
    /** Spread evenly, from the first on. */
    EVERY;

    /** Which {@code count} of {@code layers} layers are meant, ascending. */
    public List<Integer> layers(int layers, int count) {
      if (count < 0 || count > layers) {
        throw new IllegalArgumentException(
            word() + ":" + count + " does not fit: there are " + layers + " layers");
      }
      List<Integer> out = new ArrayList<>();
      for (int j = 0; j < count; j++) {
        out.add(
            switch (this) {
              case BOTTOM -> j;
              case MIDDLE -> (layers - count) / 2 + j;
              case TOP -> layers - count + j;
              case EVERY -> (int) ((long) j * layers / count);
            });
      }
      return out;
    }

    /** Its name in a schedule. */
    public String word() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  /**
   * MASFormer's schedule as text: full attention in {@code full} of {@code layers} layers, {@code
   * sparse} in the rest.
   *
   * @param sparse a pattern, e.g. {@code block:1024} or {@code window:512}
   */
  public static String mixed(int layers, int full, Placement placement, String sparse) {
    int count = placement.layers(layers, full).size();
    if (count == 0 || count == layers) {
      return count == 0 ? sparse : "full";
    }
    return sparse + ",full@" + placement.word() + ":" + count;
  }

  /** The same with the full layers named. */
  public static String mixed(int layers, List<Integer> full, String sparse) {
    if (full.isEmpty()) {
      return sparse;
    }
    if (full.stream().distinct().count() == layers) {
      return "full";
    }
    StringBuilder list = new StringBuilder(sparse).append(",full@");
    for (int i = 0; i < full.size(); i++) {
      list.append(i == 0 ? "" : "+").append(full.get(i));
    }
    return list.toString();
  }

  /** Parses {@code wanted} for a model of {@code layers} layers and {@code heads} heads. */
  public static Schedule parse(String wanted, int layers, int heads) {
    String text = SchedulePreset.expand(wanted, layers);
    String[][] patterns = new String[layers][heads];
    for (String[] layer : patterns) {
      Arrays.fill(layer, "full");
    }
    for (String item : text.split(",", -1)) {
      String[] byHead = item.strip().split("#", -1);
      String[] byLayer = byHead[0].split("@", -1);
      if (byHead.length > 2 || byLayer.length > 2) {
        throw bad(text, "'" + item + "' is not PATTERN[@LAYERS][#HEADS]");
      }
      pattern(byLayer[0]);
      for (int layer : indices(text, byLayer.length == 2 ? byLayer[1] : null, layers, "layer")) {
        for (int head : indices(text, byHead.length == 2 ? byHead[1] : null, heads, "head")) {
          patterns[layer][head] = byLayer[0];
        }
      }
    }
    return new Schedule(text, patterns);
  }

  private static IllegalArgumentException bad(String text, String why) {
    return new IllegalArgumentException("schedule '" + text + "': " + why);
  }

  private static List<Integer> indices(
      String text, @org.jspecify.annotations.Nullable String list, int count, String what) {
    List<Integer> out = new ArrayList<>();
    if (list == null) {
      for (int i = 0; i < count; i++) {
        out.add(i);
      }
      return out;
    }
    for (Placement placement : Placement.values()) {
      if (what.equals("layer") && list.startsWith(placement.word() + ":")) {
        return placed(text, placement, list.substring(placement.word().length() + 1), count);
      }
    }
    for (String part : list.split("\\+", -1)) {
      String[] ends = part.split("-", -1);
      try {
        int from = Integer.parseInt(ends[0]);
        int to = Integer.parseInt(ends[ends.length - 1]);
        if (ends.length > 2 || from > to || to >= count) {
          throw bad(text, what + " '" + part + "' does not exist: there are " + count);
        }
        for (int i = from; i <= to; i++) {
          out.add(i);
        }
      } catch (NumberFormatException e) {
        throw bad(text, what + " '" + part + "' is not a number or a range");
      }
    }
    return out;
  }

  private static List<Integer> placed(String text, Placement placement, String number, int count) {
    try {
      return placement.layers(count, Integer.parseInt(number));
    } catch (NumberFormatException e) {
      throw bad(text, placement.word() + ":" + number + " has no number of layers");
    } catch (IllegalArgumentException e) {
      throw bad(text, String.valueOf(e.getMessage()));
    }
  }

  /** The causal pattern written as {@code text}. */
  public static AttentionPattern pattern(String text) {
    return pattern(text, true);
  }

  /**
   * The pattern written as {@code text}.
   *
   * @param causal false for encoders: {@code full} then is every key, {@code window:W} the query's
   *     own and W - 1 on each side, and the others are not cut at the query
   */
  public static AttentionPattern pattern(String text, boolean causal) {
    AttentionPattern union = null;
    for (String part : text.split("\\|", -1)) {
      AttentionPattern next = part(part, causal);
      union = union == null ? next : union.or(next);
    }
    AttentionPattern all = causal ? Patterns.causal() : Patterns.full();
    return union == null ? all : union.and(all);
  }

  private static AttentionPattern part(String text, boolean causal) {
    String[] words = text.split("[:/]", -1);
    try {
      long a = words.length > 1 ? Long.parseLong(words[1]) : 0;
      long b = words.length > 2 ? Long.parseLong(words[2]) : 0;
      return switch (words[0] + words.length) {
        case "full1" -> causal ? Patterns.causal() : Patterns.full();
        case "window2" -> Patterns.window(a - 1, causal ? 0 : a - 1);
        case "block2", "block3" -> Patterns.block(a, b);
        case "dilated3" -> Patterns.dilated(a - 1, b);
        case "global2" -> Patterns.global(a);
        default ->
            throw bad(
                text,
                "is not full, window:W, block:B[/P], dilated:W/S or global:N, nor a name: "
                    + SchedulePreset.words());
      };
    } catch (NumberFormatException e) {
      throw bad(text, "has something else than a number after the colon");
    }
  }

  /** Number of layers. */
  public int layers() {
    return patterns.length;
  }

  /** The distinct patterns of a layer, as text, in order of first use. */
  public List<String> groups(int layer) {
    return List.copyOf(groupIndex(layer).keySet());
  }

  /** For each head of a layer the index of its pattern in {@link #groups}. */
  public int[] headGroups(int layer) {
    Map<String, Integer> index = groupIndex(layer);
    return Arrays.stream(patterns[layer]).mapToInt(index::get).toArray();
  }

  private Map<String, Integer> groupIndex(int layer) {
    Map<String, Integer> index = new LinkedHashMap<>();
    for (String pattern : patterns[layer]) {
      index.putIfAbsent(pattern, index.size());
    }
    return index;
  }

  /**
   * Most keys back from a query, its own among them, that a layer sees: W of a window, (P + 1) B of
   * blocks. {@link Long#MAX_VALUE} where there is no bound: for full attention and global tokens.
   */
  public long reach(int layer) {
    long most = 0;
    for (String group : groups(layer)) {
      for (String part : group.split("\\|", -1)) {
        most = Math.max(most, reach(part));
      }
    }
    return most;
  }

  private static long reach(String part) {
    String[] words = part.split("[:/]", -1);
    return switch (words[0]) {
      case "window", "dilated" -> Long.parseLong(words[1]);
      case "block" ->
          Math.multiplyExact(
              Long.parseLong(words[1]), words.length > 2 ? Long.parseLong(words[2]) + 1 : 1);
      default -> Long.MAX_VALUE;
    };
  }

  /**
   * One letter for each layer, the first layer first: F full, B block, W window, D dilated, G
   * global, U a union, M heads of several kinds. {@code FFBB} is full attention in the two bottom
   * layers.
   */
  public String letters() {
    StringBuilder out = new StringBuilder();
    for (int layer = 0; layer < patterns.length; layer++) {
      List<String> groups = groups(layer);
      String one = groups.getFirst();
      out.append(
          groups.size() > 1 ? 'M' : one.contains("|") ? 'U' : Character.toUpperCase(one.charAt(0)));
    }
    return out.toString();
  }

  /** What tells two layers' attention apart: equal for layers that can share one block layout. */
  public String key(int layer) {
    return String.join(",", patterns[layer]);
  }

  /** A short description of a layer: {@code full} or {@code window:128 x3, full x1}. */
  public String describe(int layer) {
    List<String> groups = groups(layer);
    if (groups.size() == 1) {
      return groups.get(0);
    }
    List<String> parts = new ArrayList<>();
    for (String group : groups) {
      long count = Arrays.stream(patterns[layer]).filter(group::equals).count();
      parts.add(group + " x" + count);
    }
    return String.join(", ", parts);
  }

  @Override
  public String toString() {
    return text;
  }
}
