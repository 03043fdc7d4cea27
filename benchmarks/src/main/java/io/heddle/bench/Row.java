package io.heddle.bench;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.Map;

/**
 * One contest's outcome beside one peer. Times are medians in milliseconds; the ratio is the median
 * of the ratios of neighbouring runs, above 1 where ours is faster.
 *
 * @param peer the peer's name, empty when nobody else took part
 * @param rate GFLOP/s of useful operations, GB/s where memory is the bound, MB/s of text
 * @param ceiling what the machine reached in the same run, in the unit of {@code rate}; 0 without
 * @param bytesPerOp heap bytes allocated per run by the calling thread
 * @param intensity useful operations per byte that must move, 0 where either is not known
 */
public record Row(
    String op,
    String backend,
    String dtype,
    String shape,
    int threads,
    double oursMs,
    String peer,
    double peerMs,
    double ratio,
    double rate,
    String unit,
    double ceiling,
    double bytesPerOp,
    double intensity) {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final String TEXT = Contest.Bound.TEXT.unit;

  // A rate's name in JSON by its unit.
  private static final Map<String, String> RATES =
      Map.of("GFLOP/s", "gflops", "GB/s", "gbytes", TEXT, "mbytes");

  /** Share of the ceiling, 0 without one. */
  public double share() {
    return ceiling == 0 ? 0 : rate / ceiling;
  }

  /** One JSON object. */
  public String toJson() {
    return toNode().toString();
  }

  /** A row that {@link #toNode} gave. */
  static Row of(JsonNode node) {
    String unit =
        RATES.keySet().stream().filter(u -> node.has(RATES.get(u))).findFirst().orElse("");
    return new Row(
        node.path("op").asText(),
        node.path("backend").asText(),
        node.path("dtype").asText(),
        node.path("shape").asText(),
        node.path("threads").asInt(),
        node.path("ours_ms").asDouble(),
        node.path("peer").asText(""),
        node.path("peer_ms").asDouble(node.path("ours_ms").asDouble()),
        node.path("ratio").asDouble(1),
        node.path(RATES.getOrDefault(unit, "")).asDouble(),
        unit,
        node.path("ceiling").asDouble(),
        node.path("bytes_per_op").asDouble(),
        node.path("flops_per_byte").asDouble());
  }

  /** The object of {@link #toJson}, for more fields. */
  ObjectNode toNode() {
    ObjectNode node = JSON.createObjectNode();
    node.put("op", op).put("backend", backend).put("dtype", dtype).put("shape", shape);
    node.put("threads", threads).put("ours_ms", round(oursMs));
    if (!peer.isEmpty()) {
      node.put("peer", peer).put("peer_ms", round(peerMs)).put("ratio", round(ratio));
    }
    if (hasRate()) {
      node.put(RATES.get(unit), round(rate));
    }
    if (ceiling > 0) {
      node.put("ceiling", round(ceiling)).put("share", round(share()));
    }
    if (intensity > 0) {
      node.put("flops_per_byte", round(intensity));
    }
    return node.put("bytes_per_op", round(bytesPerOp));
  }

  private static double round(double x) {
    return Double.parseDouble("%.4g".formatted(x));
  }

  private boolean hasRate() {
    return ceiling > 0 || unit.equals(TEXT);
  }

  /** The rate with its unit; empty where it is worth nothing. */
  String rateText() {
    return hasRate() ? "%.1f %s".formatted(rate, unit) : "";
  }

  /** Rows as a Markdown table. */
  public static String table(List<Row> rows) {
    StringBuilder text = new StringBuilder();
    text.append(
        "| op | dtype | shape | ours | rate | of ceiling | peer | peer's time | ratio | B/op |\n");
    text.append("|---|---|---|---:|---:|---:|---|---:|---:|---:|\n");
    for (Row r : rows) {
      text.append(
          "| %s | %s | %s | %s | %s | %s | %s | %s | %s | %.0f |%n"
              .formatted(
                  r.op,
                  r.dtype,
                  r.shape,
                  time(r.oursMs),
                  r.rateText(),
                  r.ceiling == 0 ? "" : "%.0f %%".formatted(100 * r.share()),
                  r.peer,
                  r.peer.isEmpty() ? "" : time(r.peerMs),
                  r.peer.isEmpty() ? "" : "%.2f".formatted(r.ratio),
                  r.bytesPerOp));
    }
    return text.toString();
  }

  private static String time(double ms) {
    return ms < 0.1
        ? "%.2f us".formatted(ms * 1000)
        : ms < 100 ? "%.3f ms".formatted(ms) : "%.1f ms".formatted(ms);
  }
}
