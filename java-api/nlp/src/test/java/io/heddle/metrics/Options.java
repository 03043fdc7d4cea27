package io.heddle.metrics;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;

/** Metrics from sacreBLEU's names of options, as the golden files write them. */
final class Options {
  private Options() {}

  static TextMetric<? extends MetricScore> metric(String name, JsonNode o) {
    return switch (name) {
      case "bleu" -> bleu(o);
      case "chrf" ->
          new ChrF(
              o.path("char_order").asInt(6),
              o.path("word_order").asInt(0),
              o.path("beta").asInt(2),
              o.path("lowercase").asBoolean(false),
              o.path("whitespace").asBoolean(false),
              o.path("eps_smoothing").asBoolean(false));
      case "ter" ->
          new Ter(
              o.path("normalized").asBoolean(false),
              !o.path("no_punct").asBoolean(false),
              o.path("asian_support").asBoolean(false),
              o.path("case_sensitive").asBoolean(false));
      default -> throw new AssertionError(name);
    };
  }

  private static Bleu bleu(JsonNode o) {
    Smoothing smoothing = Smoothing.of(o.path("smooth_method").asText("exp"));
    double value = o.path("smooth_value").asDouble(smoothing.usualValue());
    boolean effective = o.path("effective_order").asBoolean(false);
    return Bleu.standard()
        .with(BleuTokenizer.of(o.path("tokenize").asText("13a")))
        .lowerCased(o.path("lowercase").asBoolean(false))
        .with(smoothing, value)
        .effective(effective || o.path("use_effective_order").asBoolean(false));
  }

  static List<String> strings(JsonNode array) {
    List<String> out = new ArrayList<>();
    array.forEach(n -> out.add(n.asText()));
    return out;
  }

  static double[] numbers(JsonNode array) {
    double[] out = new double[array.size()];
    for (int i = 0; i < out.length; i++) {
      out[i] = array.get(i).asDouble();
    }
    return out;
  }

  /** Segment {@code i} of each of the first {@code n} reference streams. */
  static List<String> references(JsonNode streams, int n, int i) {
    List<String> out = new ArrayList<>();
    for (int r = 0; r < n; r++) {
      out.add(streams.get(r).get(i).asText());
    }
    return out;
  }
}
