package io.heddle.bench;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
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
  private final Set<String> done = new HashSet<>();

  /**
   * Makes the folder, or reads what an earlier run has left.
   *
   * @param command the run's arguments; rows of other ones are not mixed with its own
   */
  BenchFolder(Path folder, String command) throws IOException {
    this.folder = Files.createDirectories(folder);
    this.command = command;
    Path file = folder.resolve("command.txt");
    if (Files.exists(file)) {
      String before = Files.readString(file).strip();
      if (!before.equals(command)) {
        throw new IOException(
            "--out %s holds rows of 'heddle %s': name another folder, or delete that one"
                .formatted(folder, before));
      }
      read();
    }
    Files.writeString(file, command + "\n");
  }

  private Path lines() {
    return folder.resolve("rows.jsonl");
  }

  private void read() throws IOException {
    if (!Files.exists(lines())) {
      return;
    }
    List<String> whole = new ArrayList<>();
    for (String line : Files.readAllLines(lines())) {
      try {
        JsonNode node = JSON.readTree(line);
        rows.add(Row.of(node));
        done.add(node.path(CONTEST).asText());
        whole.add(line);
      } catch (JsonProcessingException e) {
        break; // the last one, torn when the process was killed
      }
    }
    Files.write(lines(), whole);
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
    StringBuilder text = new StringBuilder();
    for (Row row : more) {
      ObjectNode node = row.toNode().put(CONTEST, contest);
      text.append(node).append('\n');
    }
    Files.writeString(lines(), text, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
    rows.addAll(more);
    done.add(contest);
    BenchReport.write(folder, rows, command);
  }
}
