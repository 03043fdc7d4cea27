package io.heddle.bench;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Contests on a GPU. The peers there (PyTorch's attention kernels, FlexAttention, torch.compile)
 * live in Python, so the scripts of {@code benchmarks/peers} run both sides in one process, over
 * the same library; this class starts them and reads their rows.
 */
final class PeerScripts {
  private static final ObjectMapper JSON = new ObjectMapper();

  /** Works that the scripts have, with the ops of the memory-bound ones. */
  static final Map<String, String> WORKS =
      Map.of(
          "attention", "",
          "step", "",
          "norm", "^norm_",
          "loss", "^cross_entropy ",
          "optimizer", "^adamw ",
          "merge", "^linear_combination ");

  private PeerScripts() {}

  /** One run of a script: its name and arguments, without the one for its output. */
  record Script(String name, List<String> arguments) {}

  /**
   * The scripts of a work.
   *
   * @param one an attention shape instead of the usual ones, or null
   * @param peer {@code torch} or null: all peers; {@code sdpa}, {@code flex}: that one
   */
  static List<Script> scripts(
      String work,
      AttentionContest.@Nullable Spec one,
      String dtype,
      @Nullable String peer,
      boolean quick) {
    List<Script> scripts = new ArrayList<>();
    if (work.equals("attention") || work.equals("all")) {
      String peers = peer == null || peer.equals("torch") ? "sdpa,flex" : peer;
      List<String> arguments = new ArrayList<>(List.of("time", "--peers", peers));
      if (one != null) {
        arguments.addAll(
            List.of(
                "--shape",
                "%d,%d,%d,%d,%d"
                    .formatted(one.batch(), one.heads(), one.kvHeads(), one.seq(), one.headDim()),
                "--pattern",
                one.pattern(),
                "--dtype",
                dtype,
                "--direction",
                one.backward() ? "backward" : "forward"));
      } else if (quick) {
        arguments.addAll(List.of("--rows", "swa64,blocks"));
      }
      scripts.add(new Script("attention.py", arguments));
    }
    if (!work.equals("attention")) {
      List<String> arguments = new ArrayList<>();
      if (!work.equals("all")) {
        arguments.addAll(List.of("--only", WORKS.get(work)));
      }
      if (quick) {
        arguments.add("--quick");
      }
      scripts.add(new Script("memory.py", arguments));
    }
    return scripts;
  }

  /**
   * Runs scripts one after the other.
   *
   * @param root the repository's root
   * @param python the interpreter; it needs torch
   * @param progress gets what they print
   * @return their rows
   */
  static List<JsonNode> run(Path root, String python, List<Script> scripts, PrintWriter progress)
      throws IOException {
    List<JsonNode> rows = new ArrayList<>();
    for (Script script : scripts) {
      Path file = root.resolve("benchmarks/peers").resolve(script.name());
      if (!Files.exists(file)) {
        throw new IOException(file + " is not there: contests on cuda run from the repository");
      }
      Path out = Files.createTempFile("heddle-peers", ".jsonl");
      try {
        List<String> command = new ArrayList<>(List.of(python, file.toString()));
        command.addAll(script.arguments());
        command.addAll(List.of("--out", out.toString()));
        int status = start(command, progress);
        for (String line : Files.readAllLines(out)) {
          rows.add(row(line));
        }
        if (status != 0 && rows.isEmpty()) {
          throw new IOException(
              script.name() + " ended with status " + status + "; what it said stands above");
        }
      } finally {
        Files.deleteIfExists(out);
      }
    }
    return rows;
  }

  private static JsonNode row(String line) throws IOException {
    try {
      return JSON.readTree(line);
    } catch (JsonProcessingException e) {
      throw new IOException("a row is no JSON: " + line, e);
    }
  }

  private static int start(List<String> command, PrintWriter progress) throws IOException {
    Process process;
    try {
      process = new ProcessBuilder(command).redirectErrorStream(true).start();
    } catch (IOException e) {
      throw new IOException(
          "contests on cuda need " + command.getFirst() + " with torch: " + e.getMessage(), e);
    }
    try (BufferedReader lines = process.inputReader()) {
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        progress.println(line);
        progress.flush();
      }
      return process.waitFor();
    } catch (InterruptedException e) {
      process.destroy();
      Thread.currentThread().interrupt();
      throw new IOException("interrupted", e);
    }
  }

  /** Rows as a Markdown table; columns are the fields that any row has. */
  static String table(List<JsonNode> rows) {
    List<String> fields = new ArrayList<>();
    for (String field :
        List.of(
            "op", "dtype", "shape", "ours_ms", "tflops", "gbps", "share", "peer", "peer_ms",
            "ratio")) {
      if (rows.stream().anyMatch(row -> row.hasNonNull(field))) {
        fields.add(field);
      }
    }
    StringBuilder text = new StringBuilder("| " + String.join(" | ", fields) + " |\n");
    text.append("|---".repeat(fields.size())).append("|\n");
    for (JsonNode row : rows) {
      for (String field : fields) {
        text.append("| ")
            .append(row.path(field).isNull() ? "" : row.path(field).asText())
            .append(' ');
      }
      text.append("|\n");
    }
    return text.toString();
  }
}
