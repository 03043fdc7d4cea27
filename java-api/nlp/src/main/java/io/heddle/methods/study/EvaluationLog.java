package io.heddle.methods.study;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Supplier;

/**
 * What was measured, one JSON object a line: an interrupted search goes on without measuring
 * anything twice.
 */
public final class EvaluationLog {
  private static final ObjectMapper JSON = new ObjectMapper();

  private final Path file;
  private final Map<String, Entry> entries = new LinkedHashMap<>();

  /**
   * A measurement.
   *
   * @param values what was measured; not to be changed
   * @param seconds that took
   */
  @SuppressWarnings("ArrayRecordComponent") // read only
  public record Entry(double[] values, double seconds) {}

  /** Reads what is there; a half-written last line is left out. */
  public EvaluationLog(Path file) {
    this.file = file;
    try {
      if (Files.exists(file)) {
        StringBuilder whole = new StringBuilder();
        for (String line : Files.readAllLines(file)) {
          if (take(line)) {
            whole.append(line).append('\n');
          }
        }
        Files.writeString(file, whole.toString());
      }
    } catch (IOException e) {
      throw new UncheckedIOException("cannot read " + file, e);
    }
  }

  private boolean take(String line) {
    JsonNode node;
    try {
      node = JSON.readTree(line);
    } catch (IOException e) {
      return false;
    }
    double[] values = new double[node.path("values").size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = node.path("values").get(i).asDouble();
    }
    entries.put(node.path("of").asText(), new Entry(values, node.path("seconds").asDouble()));
    return true;
  }

  /** The values of {@code of}, measured now if they never were. */
  public Entry get(String of, Supplier<double[]> measure) {
    Entry known = entries.get(of);
    if (known != null) {
      return known;
    }
    long start = System.nanoTime();
    double[] values = measure.get();
    Entry entry = new Entry(values, (System.nanoTime() - start) * 1e-9);
    ObjectNode line = JSON.createObjectNode().put("of", of);
    ArrayNode array = line.putArray("values");
    for (double value : values) {
      array.add(value);
    }
    line.put("seconds", entry.seconds);
    try {
      Files.writeString(file, line + "\n", StandardOpenOption.CREATE, StandardOpenOption.APPEND);
    } catch (IOException e) {
      throw new UncheckedIOException("cannot write " + file, e);
    }
    entries.put(of, entry);
    return entry;
  }
}
