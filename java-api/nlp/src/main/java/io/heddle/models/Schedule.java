package io.heddle.models;

import io.heddle.op.pattern.AttentionPattern;
import io.heddle.op.pattern.Patterns;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Which layers, and heads, attend how (MASFormer, arXiv 2310.12442). Written as items separated by
 * commas, later ones winning: {@code window:128,full@3} is a causal window of 128 tokens in every
 * layer but full attention in layer 3.
 *
 * <pre>
 * item    = pattern [ "@" layers ] [ "#" heads ]       layers, heads = 3 | 0-2 | 0+4+8, counted from 0
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

  /** Parses {@code text} for a model of {@code layers} layers and {@code heads} heads. */
  public static Schedule parse(String text, int layers, int heads) {
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
        default -> throw bad(text, "is not full, window:W, block:B[/P], dilated:W/S or global:N");
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
