package io.heddle.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.heddle.backend.Backend;
import io.heddle.backend.Backends;
import io.heddle.models.AutoModel;
import io.heddle.models.Model;
import io.heddle.progress.ProgressListener;
import io.heddle.tensor.DType;
import io.heddle.text.BpeTrainer;
import io.heddle.text.WordPieceTrainer;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The verbs train mlm, spans and rtd: from nothing to a folder that loads, stopped and resumed. */
class PretrainCommandsTest {
  private static final String LINE = "the loom lifts the warp and the weft crosses the loom\n";

  @TempDir private Path folder = Path.of("");
  private Path text = Path.of("");
  private final StringWriter out = new StringWriter();
  private final StringWriter err = new StringWriter();

  @BeforeEach
  void write() throws IOException {
    text = folder.resolve("text.txt");
    Files.writeString(text, LINE.repeat(60));
  }

  private static Path golden(String family) {
    Path at = Path.of("").toAbsolutePath();
    while (!Files.isDirectory(at.resolve("tests/golden"))) {
      at = Objects.requireNonNull(at.getParent(), "tests/golden above " + family);
    }
    return at.resolve("tests/golden/families").resolve(family);
  }

  // A folder with a shape and a tokenizer, and no weights.
  private Path shape(String family, int vocabulary) throws IOException {
    Path to = Files.createDirectories(folder.resolve(family));
    String json = Files.readString(golden(family).resolve("config.json"));
    Files.writeString(
        to.resolve("config.json"),
        json.replaceAll("\"vocab_size\": [0-9]+", "\"vocab_size\": " + vocabulary));
    return to;
  }

  private Path words(String family) throws IOException {
    Path to = shape(family, 99);
    new WordPieceTrainer(90, true, ProgressListener.NONE).add(LINE).words(1).save(to);
    return to;
  }

  private int run(String method, Path model, String... more) {
    List<String> all =
        new ArrayList<>(
            List.of(
                "train",
                method,
                "--backend",
                "reference",
                "--quiet",
                "--data",
                text.toString(),
                "--model",
                model.toString(),
                "--out",
                folder.resolve("run-" + method).toString(),
                "--seq",
                "16",
                "--batch",
                "4",
                "--steps",
                "12",
                "--eval-every",
                "6",
                "--lr",
                "0.01",
                "--hold-out",
                "0.2"));
    all.addAll(List.of(more));
    out.getBuffer().setLength(0);
    err.getBuffer().setLength(0);
    return Main.run(new PrintWriter(out), new PrintWriter(err, true), all.toArray(String[]::new));
  }

  // The loss of the first evaluation was larger than that of the last.
  private void learnt(String method, String measure) throws IOException {
    Path run = folder.resolve("run-" + method);
    List<Double> values = new ArrayList<>();
    for (String line : Files.readAllLines(run.resolve("metrics.jsonl"))) {
      JsonNode node = new ObjectMapper().readTree(line);
      if (node.has(measure)) {
        values.add(node.path(measure).asDouble());
      }
    }
    assertEquals(2, values.size(), measure);
    assertTrue(values.get(1) < values.get(0), values.toString());
    JsonNode result = new ObjectMapper().readTree(run.resolve("result.json").toFile());
    assertEquals(values.get(1), result.path(measure).asDouble(), 1e-9);
    assertTrue(Files.readString(run.resolve("report.html")).contains("Held-out part"));
  }

  private void loads(Path model, String family) {
    try (Backend backend = Backends.open("reference");
        Model loaded = AutoModel.load(model, backend, DType.F32)) {
      assertEquals(family, loaded.config().family());
    }
  }

  @Test
  void hiddenTokens() throws IOException {
    Path model = words("bert");
    assertEquals(0, run("mlm", model, "--fresh", "--whole-words"), err.toString());
    learnt("mlm", "held_loss");
    Path written = folder.resolve("run-mlm/model");
    loads(written, "bert");
    String first = Files.readString(folder.resolve("run-mlm/metrics.jsonl"));
    // The same command again: finished, and nothing is written twice.
    assertEquals(0, run("mlm", model, "--fresh", "--whole-words"), err.toString());
    assertEquals(first, Files.readString(folder.resolve("run-mlm/metrics.jsonl")));
    assertEquals(1, run("mlm", model, "--fresh"));
    assertTrue(err.toString().contains("another configuration"), err.toString());
    // And on from what it has written.
    Files.move(folder.resolve("run-mlm"), folder.resolve("before"));
    assertEquals(0, run("mlm", folder.resolve("before/model")), err.toString());
  }

  @Test
  void hiddenSpans() throws IOException {
    Path model = shape("t5", 320);
    new BpeTrainer(270, ProgressListener.NONE).add(LINE).train().save(model);
    assertEquals(0, run("spans", model, "--fresh"), err.toString());
    learnt("spans", "held_loss");
    loads(folder.resolve("run-spans/model"), "t5");
    Path narrow = shape("t5", 265);
    Files.move(folder.resolve("run-spans"), folder.resolve("before"));
    assertEquals(1, run("spans", narrow, "--fresh"));
    assertTrue(err.toString().contains("no room for"), err.toString());
  }

  @Test
  void replacedTokens() throws IOException {
    Path model = words("electra");
    Path generator = shape("electra_generator", 99);
    assertEquals(0, run("rtd", model, "--generator", generator.toString()), err.toString());
    learnt("rtd", "held_discriminator_loss");
    learnt("rtd", "held_generator_loss");
    assertTrue(out.toString().contains("accuracy"), out.toString());
    loads(folder.resolve("run-rtd/model"), "electra");
    loads(folder.resolve("run-rtd/generator"), "electra");
  }

  @Test
  void modelsOfAnotherKindAreRefused() throws IOException {
    Path model = shape("t5", 320);
    new WordPieceTrainer(90, true, ProgressListener.NONE).add(LINE).words(1).save(model);
    assertEquals(1, run("mlm", model, "--fresh"));
    assertTrue(err.toString().contains("t5 is not an encoder"), err.toString());
  }
}
