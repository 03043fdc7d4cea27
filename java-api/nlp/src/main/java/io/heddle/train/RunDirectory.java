package io.heddle.train;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.heddle.checkpoint.WholeFile;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Where a run leaves what it found: {@code config.json}, {@code metrics.jsonl} (values only: the
 * same run twice gives the same bytes), the same for TensorBoard, {@code timing.jsonl} (seconds),
 * {@code checkpoint/} and, at the end, {@code model/} and {@code report.html}.
 */
public final class RunDirectory {
  private static final ObjectMapper JSON =
      new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT);
  private static final ObjectMapper LINE = new ObjectMapper();

  private final Path root;
  private final EventFile events;

  /** A run in {@code root}, which is created. */
  public RunDirectory(Path root) {
    this.root = root;
    this.events = new EventFile(root);
    try {
      Files.createDirectories(root);
    } catch (IOException e) {
      throw new UncheckedIOException("cannot create the run directory " + root, e);
    }
  }

  /** The folder. */
  public Path root() {
    return root;
  }

  /** An empty JSON object. */
  public static ObjectNode object() {
    return LINE.createObjectNode();
  }

  /**
   * Writes the configuration of a new run; for an old one checks that it is the same, so that a
   * resumed run is the run it resumes.
   */
  public void begin(ObjectNode config) {
    Path file = root.resolve("config.json");
    try {
      if (Files.exists(file)) {
        JsonNode before = JSON.readTree(file.toFile());
        if (!before.equals(JSON.readTree(JSON.writeValueAsString(config)))) {
          throw new IllegalArgumentException(
              root
                  + " holds a run with another configuration (see its config.json): name another"
                  + " directory or delete it");
        }
        return;
      }
      replace(file, JSON.writeValueAsString(config) + "\n");
    } catch (IOException e) {
      throw new UncheckedIOException("cannot write " + file, e);
    }
  }

  /** Writes a file of the run through a temporary name. */
  public void write(String name, String content) {
    try {
      replace(root.resolve(name), content);
    } catch (IOException e) {
      throw new UncheckedIOException("cannot write " + root.resolve(name), e);
    }
  }

  /** Writes {@code content} to a temporary name, synchronises and renames. */
  static void replace(Path file, String content) throws IOException {
    WholeFile.write(file, out -> out.write(content.getBytes(StandardCharsets.UTF_8)));
  }

  /** Adds a line to {@code metrics.jsonl}. */
  public void metrics(ObjectNode line) {
    append("metrics.jsonl", line);
    events.add(line);
  }

  /** Adds a line to {@code timing.jsonl}. */
  public void timing(ObjectNode line) {
    append("timing.jsonl", line);
  }

  private void append(String name, ObjectNode line) {
    try {
      Files.writeString(
          root.resolve(name),
          LINE.writeValueAsString(line) + "\n",
          StandardOpenOption.CREATE,
          StandardOpenOption.APPEND);
    } catch (IOException e) {
      throw new UncheckedIOException("cannot write " + root.resolve(name), e);
    }
  }

  /** The lines of {@code metrics.jsonl} or another file of the run. */
  public List<JsonNode> lines(String name) {
    List<JsonNode> out = new ArrayList<>();
    Path file = root.resolve(name);
    if (!Files.exists(file)) {
      return out;
    }
    try (Stream<String> lines = Files.lines(file)) {
      for (String line : (Iterable<String>) lines::iterator) {
        out.add(LINE.readTree(line));
      }
    } catch (IOException e) {
      throw new UncheckedIOException("cannot read " + file, e);
    }
    return out;
  }

  /**
   * A number over the steps that have it.
   *
   * @param steps counted from 1
   */
  @SuppressWarnings("ArrayRecordComponent") // a carrier to a chart, never compared
  public record Curve(double[] steps, double[] values) {
    /** The numbers called {@code key} in lines of {@code metrics.jsonl} or {@code timing.jsonl}. */
    public static Curve of(List<JsonNode> lines, String key) {
      List<JsonNode> with = lines.stream().filter(line -> line.has(key)).toList();
      return new Curve(
          with.stream().mapToDouble(line -> line.get("step").asDouble() + 1).toArray(),
          with.stream().mapToDouble(line -> line.get(key).asDouble()).toArray());
    }
  }

  /** Tokens per second of each step. */
  public Curve speed() {
    List<JsonNode> lines = lines("timing.jsonl");
    Curve seconds = Curve.of(lines, "seconds");
    double[] rate = Curve.of(lines, "tokens").values;
    for (int i = 0; i < rate.length; i++) {
      rate[i] /= seconds.values[i];
    }
    return new Curve(seconds.steps, rate);
  }

  /** The median speed of the run's steps, in tokens per second; NaN when there was none. */
  public double tokensPerSecond() {
    double[] rates =
        lines("timing.jsonl").stream()
            .mapToDouble(l -> l.path("tokens").asDouble() / l.path("seconds").asDouble())
            .sorted()
            .toArray();
    return rates.length == 0 ? Double.NaN : rates[rates.length / 2];
  }

  /** Forgets metrics of steps from {@code step} on: a resumed run will write them again. */
  public void truncate(long step) {
    for (String name : new String[] {"metrics.jsonl", "timing.jsonl"}) {
      StringBuilder kept = new StringBuilder();
      for (JsonNode line : completeLines(name)) {
        if (line.path("step").asLong() < step) {
          kept.append(line).append('\n');
        }
      }
      if (Files.exists(root.resolve(name))) {
        write(name, kept.toString());
      }
    }
    events.begin(lines("metrics.jsonl"));
  }

  // A killed run may have left half a line at the end.
  private List<JsonNode> completeLines(String name) {
    List<JsonNode> out = new ArrayList<>();
    Path file = root.resolve(name);
    if (!Files.exists(file)) {
      return out;
    }
    try {
      for (String line : Files.readAllLines(file)) {
        JsonNode node = parseOrNull(line);
        if (node != null) {
          out.add(node);
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException("cannot read " + file, e);
    }
    return out;
  }

  private static @Nullable JsonNode parseOrNull(String line) {
    try {
      return LINE.readTree(line);
    } catch (IOException e) {
      return null;
    }
  }

  /** Deletes a folder and all in it; nothing happens when there is none. */
  public static void delete(Path folder) throws IOException {
    if (!Files.exists(folder)) {
      return;
    }
    try (Stream<Path> all = Files.walk(folder)) {
      for (Path path : (Iterable<Path>) all.sorted(Comparator.reverseOrder())::iterator) {
        Files.delete(path);
      }
    }
  }
}
