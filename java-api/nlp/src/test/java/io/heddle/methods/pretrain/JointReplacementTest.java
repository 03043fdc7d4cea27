package io.heddle.methods.pretrain;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.GoldenFolder;
import io.heddle.autograd.Randomness;
import io.heddle.autograd.Tape;
import io.heddle.backend.Backend;
import io.heddle.backend.Backends;
import io.heddle.data.MaskedTokens;
import io.heddle.models.ModelConfig;
import io.heddle.models.ModelFolder;
import io.heddle.nn.Parameters;
import io.heddle.progress.ProgressListener;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import io.heddle.train.TrainConfig;
import io.heddle.train.Trainer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.stream.LongStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A generator and a discriminator that learn together, over the same embeddings. */
class JointReplacementTest {
  private static final int MASK = 4;
  private static final int LENGTH = 12;
  private static final int ROWS = 8;

  @TempDir private Path folder = Path.of("");
  private final Backend backend = Backends.open("reference");

  @AfterEach
  void close() {
    backend.close();
  }

  private static ModelConfig judge() throws IOException {
    return ModelFolder.readConfig(GoldenFolder.of("families/electra").resolve("config.json"));
  }

  // The golden generator's shape with some numbers changed.
  private ModelConfig writer(String... changes) throws IOException {
    String json =
        Files.readString(GoldenFolder.of("families/electra_generator").resolve("config.json"));
    for (String change : changes) {
      String key = change.substring(0, change.indexOf(':'));
      json =
          json.replaceAll(
              "\"" + key + "\": [0-9]+", "\"" + key + "\": " + change.substring(key.length() + 1));
    }
    Path file = folder.resolve("config.json");
    Files.writeString(file, json);
    return ModelFolder.readConfig(file);
  }

  private ModelConfig weak() throws IOException {
    return writer(
        "hidden_size:4", "num_attention_heads:1", "num_hidden_layers:1", "intermediate_size:4");
  }

  // A row is one token many times: who reads it knows what does not belong.
  private static JointReplacement.Batch batch(long number) {
    Random random = new Random(number);
    int[][] rows = new int[ROWS][LENGTH];
    for (int[] row : rows) {
      int first = random.nextInt(20);
      Arrays.fill(row, 10 + first);
    }
    MaskedTokens rule = new MaskedTokens(MASK, 30, Set.of(0), 0.2, null, 1);
    return new JointReplacement.Batch(
        MaskedLanguage.Batch.of(rule, rows, null, number * ROWS), number);
  }

  @Test
  void bothLearnAndReplacedTokensAreFound() throws IOException {
    List<JointReplacement.Batch> held =
        LongStream.range(1000, 1004).mapToObj(JointReplacementTest::batch).toList();
    TrainConfig config = TrainConfig.of(400, 1e-2f, 1);
    try (JointReplacement models =
        JointReplacement.random(weak(), judge(), backend, DType.F32, 1)) {
      Map<String, Double> before = models.measure(held, 3);
      new Trainer(config, null, ProgressListener.NONE)
          .fit(
              "rtd",
              models.parameters(),
              JointReplacementTest::batch,
              models.objective(JointReplacement.WEIGHT, 3),
              null);
      Map<String, Double> after = models.measure(held, 3);
      String both = before + " -> " + after;
      assertTrue(value(after, "generator_loss") < 0.9 * value(before, "generator_loss"), both);
      assertTrue(
          value(after, "discriminator_loss") < 0.9 * value(before, "discriminator_loss"), both);
      assertTrue(value(after, "majority") < 0.97, both);
      assertTrue(value(after, "accuracy") > value(after, "majority") + 0.02, both);
    }
  }

  private static double value(Map<String, Double> measures, String name) {
    return java.util.Objects.requireNonNull(measures.get(name), name);
  }

  @Test
  void embeddingsAreSharedAndTheRestIsNot() throws IOException {
    try (JointReplacement models =
        JointReplacement.random(weak(), judge(), backend, DType.F32, 1)) {
      Parameters writer = models.generator().parameters();
      Parameters judge = models.discriminator().parameters();
      long shared = 0;
      for (String name :
          List.of(
              "embed.weight",
              "positions.weight",
              "types.weight",
              "embed.norm.weight",
              "embed.norm.bias")) {
        assertSame(judge.get(name), writer.get(name));
        shared += judge.get(name).size();
      }
      assertEquals(judge.count() + writer.count() - shared, models.parameters().count());
      assertEquals(4, writer.get("embed.project.weight").dim(0));
      assertEquals(32, judge.get("embed.project.weight").dim(0));
    }
  }

  /** The loss is the sum of both; the generator's own weights feel nothing of the other's. */
  @Test
  void theGeneratorLearnsFromHiddenTokensAlone() throws IOException {
    try (JointReplacement models =
        JointReplacement.random(weak(), judge(), backend, DType.F32, 1)) {
      float[] alone = gradient(models, 0);
      float[] joint = gradient(models, 50);
      assertTrue(Arrays.equals(alone, joint), "equal bit for bit");
      Map<String, Double> measures = models.measure(List.of(batch(1)), 3);
      try (Tape t = Tape.inference(backend)) {
        assertEquals(
            value(measures, "generator_loss") + 50 * value(measures, "discriminator_loss"),
            models.objective(50, 3).run(t, batch(1), 0).mean(),
            1e-4);
      }
    }
  }

  private float[] gradient(JointReplacement models, float weight) {
    models.parameters().trainable();
    try (Tape t = new Tape(backend, true, new Randomness(1, 1))) {
      models.objective(weight, 3).run(t, batch(1), 1);
      t.backward();
    }
    Tensor grad = models.generator().parameters().get("embed.project.weight").grad();
    return java.util.Objects.requireNonNull(grad).toFloats();
  }

  @Test
  void shapesAndHeadsThatDoNotFitAreNamed() throws IOException {
    String size = refused(writer("embedding_size:8"), judge());
    assertTrue(size.contains("'embed.weight' of shape [99, 8] cannot be shared"), size);
    String head = refused(judge(), judge());
    assertTrue(head.contains("has no head 'head'"), head);
    ModelConfig decoder =
        ModelFolder.readConfig(GoldenFolder.of("families/qwen3").resolve("config.json"));
    String causal = refused(writer(), decoder);
    assertTrue(causal.contains("qwen3 model has no head 'replaced'"), causal);
  }

  private String refused(ModelConfig writer, ModelConfig judge) {
    return String.valueOf(
        assertThrows(
                IllegalArgumentException.class,
                () -> JointReplacement.random(writer, judge, backend, DType.F32, 1).close())
            .getMessage());
  }
}
