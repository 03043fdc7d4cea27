package io.heddle.checkpoint.merge;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** A method with its numbers, as a person would write it. */
final class Formula {
  private Formula() {}

  static String of(
      Method method,
      Map<String, Double> settings,
      List<Map<String, Double>> sources,
      List<String> labels,
      boolean base) {
    return switch (method) {
      case DEM, TASK_ARITHMETIC -> {
        List<String> terms = new ArrayList<>(List.of("base"));
        for (int i = 0; i < labels.size(); i++) {
          terms.add(
              number(sources.get(i).getOrDefault("weight", 1.0))
                  + " ("
                  + labels.get(i)
                  + " - base)");
        }
        yield String.join(" + ", terms) + tail(settings, Map.of("lambda", 1.0, "normalize", 0.0));
      }
      case LINEAR, AVERAGE, PASSTHROUGH -> {
        List<String> terms = new ArrayList<>();
        for (int i = 0; i < labels.size(); i++) {
          Map<String, Double> of = sources.get(i);
          double weight = of.getOrDefault("weight", of.getOrDefault("scale", 1.0 / labels.size()));
          terms.add(weight == 1 ? labels.get(i) : number(weight) + " " + labels.get(i));
        }
        yield String.join(" + ", terms) + tail(settings, Map.of("normalize", 0.0));
      }
      default -> {
        List<String> terms = new ArrayList<>();
        for (int i = 0; i < labels.size(); i++) {
          terms.add(labels.get(i) + tail(sources.get(i), Map.of()));
        }
        yield method.id()
            + "("
            + (base ? "base, " : "")
            + String.join(", ", terms)
            + ")"
            + tail(settings, Map.of());
      }
    };
  }

  private static String tail(Map<String, Double> settings, Map<String, Double> usual) {
    List<String> out = new ArrayList<>();
    settings.forEach(
        (key, value) -> {
          if (!value.equals(usual.get(key))) {
            out.add(key + "=" + number(value));
          }
        });
    return out.isEmpty() ? "" : " [" + String.join(", ", out) + "]";
  }

  private static String number(double value) {
    return value == Math.rint(value) && Math.abs(value) < 1e9
        ? Long.toString((long) value)
        : Double.toString(value);
  }
}
