package io.heddle.checkpoint.merge;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A number of a merge that may depend on the tensor: rules of which the first counts whose text the
 * tensor's name contains, each with one value, or with several that are spread evenly over the
 * layers with straight lines between them.
 *
 * <pre>{@code
 * Setting.of(0.4)                                       // everywhere
 * Setting.gradient(0, 0.5, 1)                           // first, middle, last layer
 * Setting.where("mlp", 0.3).where("attn", 0.1, 0.9).otherwise(0.5)
 * }</pre>
 */
public final class Setting {
  @SuppressWarnings("ArrayRecordComponent") // never leaves this class
  private record Rule(@Nullable String part, double[] values) {}

  private final List<Rule> rules;

  private Setting(List<Rule> rules) {
    this.rules = rules;
  }

  /** The same for all tensors. */
  public static Setting of(double value) {
    return gradient(value);
  }

  /** Values over the layers, first to last. */
  public static Setting gradient(double... values) {
    return new Setting(List.of()).otherwise(values);
  }

  /** These values for tensors with {@code part} in their names. */
  public static Setting filter(String part, double... values) {
    return new Setting(List.of()).where(part, values);
  }

  /** Adds a rule for names that no rule before it fits. */
  public Setting where(String part, double... values) {
    return with(new Rule(part, checked(values)));
  }

  /** Adds a last rule, for all names. */
  public Setting otherwise(double... values) {
    return with(new Rule(null, checked(values)));
  }

  private Setting with(Rule rule) {
    List<Rule> all = new ArrayList<>(rules);
    all.add(rule);
    return new Setting(List.copyOf(all));
  }

  private static double[] checked(double[] values) {
    if (values.length == 0) {
      throw new IllegalArgumentException("a setting needs a value");
    }
    for (double value : values) {
      if (!Double.isFinite(value)) {
        throw new IllegalArgumentException("a setting cannot be " + value);
      }
    }
    return values.clone();
  }

  /**
   * Reads {@code 0.4}, {@code [0,0.5,1]} or {@code mlp:0.3;attn:[0.1,0.9];0.5}.
   *
   * @throws IllegalArgumentException when it is none of these
   */
  public static Setting parse(String text) {
    Setting out = new Setting(List.of());
    for (String rule : text.split(";", -1)) {
      int colon = rule.lastIndexOf(':');
      String values = rule.substring(colon + 1).strip();
      if (values.startsWith("[") && values.endsWith("]")) {
        values = values.substring(1, values.length() - 1);
      }
      double[] numbers;
      try {
        numbers =
            Arrays.stream(values.split(",", -1))
                .map(String::strip)
                .mapToDouble(Double::parseDouble)
                .toArray();
      } catch (NumberFormatException e) {
        throw new IllegalArgumentException(
            "'"
                + text
                + "' is not a number, a list such as [0,0.5,1], or rules such as mlp:0.3;0.5",
            e);
      }
      out = colon < 0 ? out.otherwise(numbers) : out.where(rule.substring(0, colon), numbers);
    }
    return out;
  }

  /**
   * The value for a tensor.
   *
   * @param position where its layer stands, 0 for the first and 1 for the last
   * @return null when no rule fits the name
   */
  public @Nullable Double at(String tensor, double position) {
    for (Rule rule : rules) {
      if (rule.part == null || rule.part.equals("*") || tensor.contains(rule.part)) {
        double[] v = rule.values;
        double at = Math.clamp(position, 0, 1) * (v.length - 1);
        int left = Math.min((int) at, v.length - 1);
        double rest = at - left;
        return rest == 0 ? v[left] : (1 - rest) * v[left] + rest * v[left + 1];
      }
    }
    return null;
  }

  /** The form that {@link #parse} reads. */
  @Override
  public String toString() {
    StringBuilder out = new StringBuilder();
    for (Rule rule : rules) {
      out.append(out.isEmpty() ? "" : ";");
      out.append(rule.part == null ? "" : rule.part + ":");
      out.append(
          rule.values.length == 1
              ? Double.toString(rule.values[0])
              : Arrays.toString(rule.values).replace(" ", ""));
    }
    return out.toString();
  }

  @Override
  public boolean equals(@Nullable Object o) {
    return o instanceof Setting other && toString().equals(other.toString());
  }

  @Override
  public int hashCode() {
    return toString().hashCode();
  }
}
