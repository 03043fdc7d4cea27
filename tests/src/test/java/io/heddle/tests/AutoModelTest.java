package io.heddle.tests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.heddle.autograd.Randomness;
import io.heddle.autograd.Tape;
import io.heddle.backend.Backend;
import io.heddle.backend.Backends;
import io.heddle.checkpoint.Safetensors;
import io.heddle.checkpoint.SafetensorsFile;
import io.heddle.models.AutoModel;
import io.heddle.models.Decoder;
import io.heddle.models.Encoder;
import io.heddle.models.GenerationConfig;
import io.heddle.models.Model;
import io.heddle.models.ModelFolder;
import io.heddle.models.Resizing;
import io.heddle.models.Sampler;
import io.heddle.nn.Lora;
import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.tensor.DType;
import io.heddle.tensor.Scope;
import io.heddle.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Folders as they come: sharded, in other types, damaged, partial; and what is done to a model. */
class AutoModelTest {
  private static final Path FAMILIES = Repository.root().resolve("tests/golden/families");
  private static final int[] IDS = {5, 17, 42, 8, 90, 3};

  @TempDir private Path folder;
  private final Backend backend = Backends.open("reference");
  private final Scope scope = new Scope(backend.memory());

  @AfterEach
  void close() {
    scope.close();
    backend.close();
  }

  private interface Change {
    void apply(ObjectNode config, Map<String, Tensor> tensors);
  }

  // A family's folder with another configuration or other tensors.
  private Path changed(String family, Change change) throws IOException {
    ObjectMapper json = new ObjectMapper();
    Path source = FAMILIES.resolve(family);
    ObjectNode config = (ObjectNode) json.readTree(source.resolve("config.json").toFile());
    try (SafetensorsFile file = SafetensorsFile.open(source.resolve("model.safetensors"))) {
      Map<String, Tensor> tensors = new LinkedHashMap<>();
      for (var entry : file.entries()) {
        tensors.put(entry.name(), file.tensor(entry.name()));
      }
      change.apply(config, tensors);
      Safetensors.write(folder.resolve("model.safetensors"), tensors, Map.of());
    }
    json.writeValue(folder.resolve("config.json").toFile(), config);
    return folder;
  }

  private String refusal(String family, Change change) throws IOException {
    Path damaged = changed(family, change);
    return assertThrows(
            IllegalArgumentException.class,
            () -> AutoModel.load(damaged, backend, DType.F32).close())
        .getMessage();
  }

  private float[] logits(Model model) {
    try (Tape t = Tape.inference(backend)) {
      Tensor ids = t.tensor(DType.I32, IDS.length).copyFrom(IDS);
      Decoder decoder = (Decoder) model;
      return decoder.logits(t, decoder.hidden(t, ids, 1, null)).toFloats();
    }
  }

  private Decoder load(String family) {
    return (Decoder) AutoModel.load(FAMILIES.resolve(family), backend, DType.F32);
  }

  @Test
  void unknownKeysAreNamed() throws IOException {
    String message = refusal("qwen2", (config, tensors) -> config.put("use_magic", true));
    assertTrue(message.contains("unknown key 'use_magic'"), message);
  }

  @Test
  void settingsThatWouldChangeTheComputationAreRefused() throws IOException {
    String message =
        refusal(
            "bloom",
            (config, tensors) -> config.put("apply_residual_connection_post_layernorm", true));
    assertTrue(message.contains("'apply_residual_connection_post_layernorm': true"), message);
    message = refusal("bert", (config, tensors) -> config.put("is_decoder", true));
    assertTrue(message.contains("'is_decoder': true is not supported"), message);
    message =
        refusal(
            "mistral",
            (config, tensors) ->
                config.putObject("rope_parameters").put("rope_type", "longrope").put("factor", 4));
    assertTrue(message.contains("rope_type 'longrope'"), message);
  }

  @Test
  void unknownFamiliesAndHeadsAreNamed() throws IOException {
    String message = refusal("opt", (config, tensors) -> config.put("model_type", "abacus"));
    assertTrue(message.contains("'abacus' is not known; known are albert, bart, bert"), message);
    message =
        refusal(
            "bert", (config, tensors) -> config.putArray("architectures").add("BertForTelepathy"));
    assertTrue(message.contains("'BertForTelepathy' has a head that is not known"), message);
  }

  @Test
  void missingExtraAndMisshapedTensorsAreNamed() throws IOException {
    String name = "gpt_neox.layers.1.mlp.dense_4h_to_h.bias";
    String message = refusal("gpt_neox", (config, tensors) -> tensors.remove(name));
    assertTrue(message.contains("has no tensor '" + name + "'"), message);
    message =
        refusal(
            "gpt_neox", (config, tensors) -> tensors.put("odd.weight", scope.tensor(DType.F32, 3)));
    assertTrue(message.contains("has a tensor 'odd.weight' that a gpt_neox model"), message);
    message =
        refusal("gpt_neox", (config, tensors) -> tensors.put(name, scope.tensor(DType.F32, 31)));
    assertTrue(message.contains(name) && message.contains("[31]"), message);
    assertTrue(message.contains("layers.1.down.bias takes [32]"), message);
  }

  @Test
  void anEncoderBecomesAClassifierWhenPartsMayBeMissing() throws IOException {
    Change change =
        (config, tensors) -> {
          config.putArray("architectures").add("BertForSequenceClassification");
          config.put("num_labels", 5);
        };
    String message = refusal("bert", change);
    assertTrue(message.contains("has no tensor 'classifier.weight'"), message);
    try (Model model = AutoModel.loadPartly(folder, backend, DType.F32)) {
      assertInstanceOf(Encoder.class, model);
      assertEquals(5, model.parameters().get("pooled.weight").dim(0));
    }
    Path body =
        changed(
            "bert", (config, tensors) -> tensors.keySet().removeIf(n -> n.contains("layer.1.")));
    message =
        assertThrows(
                IllegalArgumentException.class,
                () -> AutoModel.loadPartly(body, backend, DType.F32).close())
            .getMessage();
    assertTrue(message.contains("which is not of a head"), message);
  }

  @Test
  void bareModelsAndOldNormNamesAreFound() throws IOException {
    Consumer<Map<String, Tensor>> rename =
        tensors -> {
          Map<String, Tensor> old = new LinkedHashMap<>(tensors);
          tensors.clear();
          old.forEach(
              (name, value) ->
                  tensors.put(
                      name.replace("LayerNorm.weight", "LayerNorm.gamma")
                          .replace("LayerNorm.bias", "LayerNorm.beta"),
                      value));
        };
    Path old = changed("bert", (config, tensors) -> rename.accept(tensors));
    try (Model a = AutoModel.load(old, backend, DType.F32);
        Model b = AutoModel.load(FAMILIES.resolve("bert"), backend, DType.F32)) {
      assertArrayEquals(
          b.parameters().get("layers.1.norm2.bias").toFloats(),
          a.parameters().get("layers.1.norm2.bias").toFloats());
    }
    Path bare =
        changed(
            "bloom",
            (config, tensors) -> {
              Map<String, Tensor> before = new LinkedHashMap<>(tensors);
              tensors.clear();
              before.forEach((n, v) -> tensors.put(n.replaceFirst("transformer\\.", ""), v));
            });
    try (Model a = AutoModel.load(bare, backend, DType.F32);
        Model b = load("bloom")) {
      assertArrayEquals(logits(b), logits(a));
    }
  }

  @Test
  void shardsAndHalfPrecisionFilesLoad() throws IOException {
    Path source = FAMILIES.resolve("gemma2");
    Files.copy(source.resolve("config.json"), folder.resolve("config.json"));
    ObjectMapper json = new ObjectMapper();
    ObjectNode index = json.createObjectNode();
    ObjectNode map = index.putObject("weight_map");
    List<Map<String, Tensor>> shards = List.of(new LinkedHashMap<>(), new LinkedHashMap<>());
    try (SafetensorsFile file = SafetensorsFile.open(source.resolve("model.safetensors"))) {
      for (var entry : file.entries()) {
        Tensor half = scope.tensor(DType.BF16, entry.shape());
        backend.run(OpCode.COPY, new Params.None(), file.tensor(entry.name()), half);
        int shard = map.size() % 2;
        shards.get(shard).put(entry.name(), half);
        map.put(entry.name(), "model-0000" + (shard + 1) + "-of-00002.safetensors");
      }
    }
    for (int i = 0; i < 2; i++) {
      Path file = folder.resolve("model-0000" + (i + 1) + "-of-00002.safetensors");
      Safetensors.write(file, shards.get(i), Map.of());
    }
    json.writeValue(folder.resolve("model.safetensors.index.json").toFile(), index);
    try (Model sharded = AutoModel.load(folder, backend, DType.F32);
        Model whole = load("gemma2")) {
      for (Tensor p : whole.parameters().values()) {
        float[] exact = p.toFloats();
        float[] loaded = sharded.parameters().get(p.name()).toFloats();
        for (int i = 0; i < exact.length; i++) {
          // bf16 keeps 8 bits.
          assertEquals(exact[i], loaded[i], Math.abs(exact[i]) / 256, p.name());
        }
      }
      assertFalse(Arrays.equals(logits(whole), logits(sharded)));
    }
  }

  @Test
  void flanHeadIsUntiedWhenTheFileHasOne() throws IOException {
    Path untied =
        changed(
            "flan_t5",
            (config, tensors) -> {
              Tensor head = scope.tensor(DType.F32, 99, 32);
              head.copyFrom(new float[99 * 32]);
              tensors.put("lm_head.weight", head);
            });
    try (Model model = AutoModel.load(untied, backend, DType.F32)) {
      assertEquals(0, model.parameters().get("head.weight").get(3, 4));
    }
  }

  @Test
  void generationConfigIsRead() throws IOException {
    Files.writeString(
        folder.resolve("generation_config.json"),
        "{\"eos_token_id\": [2, 7], \"do_sample\": true, \"temperature\": 0.6, \"top_p\": 0.9,"
            + " \"max_new_tokens\": 40}");
    Files.writeString(
        folder.resolve("config.json"), "{\"eos_token_id\": 5, \"decoder_start_token_id\": 3}");
    GenerationConfig read = GenerationConfig.read(folder);
    assertEquals(
        new GenerationConfig(Set.of(2, 7), 3, 40, new Sampler.Options(0.6, 50, 0.9, 0)), read);
    Files.delete(folder.resolve("generation_config.json"));
    assertEquals(
        new GenerationConfig(Set.of(5), 3, 0, Sampler.Options.GREEDY),
        GenerationConfig.read(folder));
  }

  @Test
  void adaptersTrainAloneAndMergeIntoTheWeights() {
    try (Decoder model = load("qwen3")) {
      float[] before = logits(model);
      List<String> names = Lora.attach(model.parameters(), ".*\\.(qkv|up)", 2, 4, 1);
      assertEquals(List.of("layers.0.qkv", "layers.0.up", "layers.1.qkv", "layers.1.up"), names);
      assertArrayEquals(before, logits(model), "B is zero at first");
      model.parameters().trainable();
      assertEquals(8, model.parameters().unfrozen().size());
      try (Tape t = new Tape(backend, true, Randomness.NONE)) {
        Tensor ids = t.tensor(DType.I32, IDS.length).copyFrom(IDS);
        model.losses(t, model.hidden(t, ids, 1, null), ids, 1);
        t.backward();
      }
      for (Tensor p : model.parameters().values()) {
        boolean adapter = p.name().contains(".lora_");
        assertEquals(adapter, p.grad() != null, p.name());
        // B is zero, so that A has no gradient yet.
        if (p.name().endsWith(".lora_b")) {
          double size = Arrays.stream(p.grad().toDoubles()).map(Math::abs).sum();
          assertTrue(size > 0, p.name());
          p.copyFrom(p.grad().toFloats());
        }
      }
      float[] tuned = logits(model);
      assertFalse(Arrays.equals(before, tuned));
      Lora.merge(model.parameters());
      assertTrue(Lora.adapters(model.parameters()).isEmpty());
      float[] merged = logits(model);
      for (int i = 0; i < merged.length; i++) {
        assertEquals(tuned[i], merged[i], 1e-4 * Math.max(1, Math.abs(tuned[i])));
      }
      ModelFolder.save(model, folder, Map.of());
      try (Model again = AutoModel.load(folder, backend, DType.F32)) {
        assertArrayEquals(merged, logits(again));
      }
    }
  }

  @Test
  void frozenParametersGetNoGradient() {
    try (Decoder model = load("opt")) {
      assertEquals(2, model.parameters().freeze("(embed|positions)\\.weight"));
      model.parameters().trainable();
      try (Tape t = new Tape(backend, true, Randomness.NONE)) {
        Tensor ids = t.tensor(DType.I32, IDS.length).copyFrom(IDS);
        model.losses(t, model.hidden(t, ids, 1, null), ids, 1);
        t.backward();
      }
      assertEquals(null, model.parameters().get("embed.weight").grad());
      Tensor grad = model.parameters().get("layers.0.qkv.weight").grad();
      assertTrue(Arrays.stream(grad.toDoubles()).anyMatch(x -> x != 0));
    }
  }

  @Test
  void newTokensStartAsTheMean() {
    try (Decoder model = load("gptj");
        Model resized = Resizing.withVocabulary(model, 102)) {
      Tensor head = resized.parameters().get("head.weight");
      double mean = 0;
      for (int row = 0; row < 99; row++) {
        mean += model.parameters().get("head.weight").get(row, 7) / 99;
      }
      assertEquals(mean, head.get(101, 7), 1e-6);
      assertEquals(102, resized.parameters().get("head.bias").dim(0));
      float[] before = logits(model);
      float[] after = logits(resized);
      assertEquals(before[98], after[98]);
      assertEquals(before[99], after[102], "the second token's first logit");
      ModelFolder.save(resized, folder, Map.of());
      try (Model again = AutoModel.load(folder, backend, DType.F32)) {
        assertEquals(102, again.config().vocabulary());
        assertArrayEquals(after, logits(again));
      }
    }
  }
}
