package io.heddle.bench;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.heddle.checkpoint.WholeFile;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * The folder of a run. Its rows, table and charts are whole after each contest, so that a run which
 * is interrupted loses one contest, and the same command goes on with what is missing.
 */
final class BenchFolder {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final String CONTEST = "contest"; // a row's key, for the run that goes on

  private final Path folder;
  private final String command;
  private final List<Row> rows = new ArrayList<>();
  private final StringBuilder lines = new StringBuilder(); // the same, as they are kept
  private final Set<String> done = new HashSet<>();

  /**
   * Makes the folder, or reads what an earlier run has left.
   *
   * @param command the run's arguments; rows of other ones are not mixed with its own
   */
  BenchFolder(Path folder, String command) throws IOException {
    this.folder = Files.createDirectories(folder);
    this.command = command;
    Path told = folder.resolve("command.txt");
    if (Files.exists(told)) {
      String before = Files.readString(told).strip();
      if (!before.equals(command)) {
        throw new IOException(
            "--out %s holds rows of 'heddle %s': name another folder, or delete that one"
                .formatted(folder, before));
      }
      read();
    }
    Files.writeString(told, command + "\n");
  }

  private Path file() {
    return folder.resolve("rows.jsonl");
  }

  private void read() throws IOException {
    if (!Files.exists(file())) {
      return;
    }
    for (String line : Files.readAllLines(file())) {
      try {
        JsonNode node = JSON.readTree(line);
        rows.add(Row.of(node));
        done.add(node.path(CONTEST).asText());
        lines.append(line).append('\n');
      } catch (JsonProcessingException e) {
        break; // somebody else's hand: a run leaves whole lines
      }
    }
  }

  /** Whether a contest's rows are there. */
  boolean has(String contest) {
    return done.contains(contest);
  }

  /** All rows, those of earlier runs first. */
  List<Row> rows() {
    return rows;
  }

  /** Adds a contest's rows, and draws the table and the charts anew. */
  void add(String contest, List<Row> more) throws IOException {
    for (Row row : more) {
      lines.append(row.toNode().put(CONTEST, contest)).append('\n');
    }
    // Whole: a contest that is cut off between two of its rows would pass for done.
    byte[] text = lines.toString().getBytes(StandardCharsets.UTF_8);
    WholeFile.write(file(), out -> out.write(text));
    rows.addAll(more);
    done.add(contest);
    BenchReport.write(folder, rows, command);
  }
}
