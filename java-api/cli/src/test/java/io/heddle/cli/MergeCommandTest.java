package io.heddle.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.heddle.checkpoint.Checkpoint;
import io.heddle.checkpoint.FloatCodec;
import io.heddle.checkpoint.MemoryTensors;
import io.heddle.checkpoint.StorageType;
import io.heddle.checkpoint.merge.Merge;
import io.heddle.checkpoint.merge.Method;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The verbs merge, compare and inspect on small models, and the recipe of the documentation. */
class MergeCommandTest {
  private static final int N = 12;

  private final Path folder;
  private final StringWriter out = new StringWriter();
  private final StringWriter err = new StringWriter();

  MergeCommandTest(@TempDir Path folder) {
    this.folder = folder;
  }

  private int run(String... arguments) {
    out.getBuffer().setLength(0);
    err.getBuffer().setLength(0);
    return Main.run(new PrintWriter(out), new PrintWriter(err, true), arguments);
  }

  private String path(String name) {
    return folder.resolve(name).toString();
  }

  @BeforeEach
  void models() throws IOException {
    int seed = 0;
    for (String name : List.of("base", "math", "code")) {
      MemoryTensors tensors = new MemoryTensors();
      for (String tensor :
          List.of(
              "embed.weight", "layers.0.mlp.w", "layers.0.attn.w", "layers.1.mlp.w", "norm.w")) {
        byte[] bytes = new byte[4 * N];
        double[] values = new Random(seed++).doubles(N, -1, 1).toArray();
        FloatCodec.encode(values, MemorySegment.ofArray(bytes), 0, StorageType.F32, N);
        tensors.add(tensor, StorageType.F32, MemorySegment.ofArray(bytes), 4, 3);
      }
      try (Checkpoint model = Checkpoint.of(name, tensors)) {
        Merge.of(Method.PASSTHROUGH, null).add(model).writeTo(folder.resolve(name));
      }
      Files.writeString(
          folder.resolve(name).resolve("config.json"),
          "{\"num_hidden_layers\": 2, \"torch_dtype\": \"float32\"}");
    }
  }

  private double[] values(String model, String tensor) throws IOException {
    try (Checkpoint open = Checkpoint.open(folder.resolve(model))) {
      double[] values = new double[N];
      FloatCodec.decode(open.segment(tensor), 0, open.entry(tensor).type(), values, N);
      return values;
    }
  }

  private void expect(String tensor, double math, double code, StorageType type)
      throws IOException {
    double[] b = values("base", tensor);
    double[] m = values("math", tensor);
    double[] c = values("code", tensor);
    double[] found = values("out", tensor);
    for (int i = 0; i < N; i++) {
      double exact = b[i] + math * (m[i] - b[i]) + code * (c[i] - b[i]);
      assertEquals(FloatCodec.rounded(exact, type), found[i], tensor + " " + i);
    }
  }

  private String[] dem(String... more) {
    return Stream.concat(
            Stream.of(
                "merge",
                "--quiet",
                "--backend",
                "reference",
                "--base",
                path("base"),
                "--source",
                path("math") + "=0.4",
                "--source",
                path("code") + "=0.6",
                "--out",
                path("out")),
            Arrays.stream(more))
        .toArray(String[]::new);
  }

  @Test
  void sumsOfDifferences() throws IOException {
    assertEquals(0, run(dem()), err.toString());
    expect("layers.1.mlp.w", 0.4, 0.6, StorageType.F32);
    assertTrue(Files.exists(folder.resolve("out/config.json")));
    assertTrue(out.toString().startsWith("wrote "), out.toString());
    assertEquals(0, run("inspect", "--digest", path("math")));
    String digest = out.toString().strip();
    assertEquals(0, run("inspect", "--json", path("out")));
    JsonNode metadata = new ObjectMapper().readTree(out.toString()).get("metadata");
    assertEquals(digest, metadata.get("heddle.merge.source.1.digest").asText());
    assertEquals("math weight=0.4", metadata.get("heddle.merge.source.1").asText());
    assertEquals(64, digest.length());
  }

  @Test
  void aDryRunWritesNothing() {
    assertEquals(0, run(dem("--dry-run", "--dtype", "bf16")), err.toString());
    assertTrue(
        out.toString()
            .contains("5 tensors, 120 bytes: base + 0.4 (math - base) + 0.6 (code - base)"),
        out.toString());
    assertFalse(Files.exists(folder.resolve("out")));
  }

  private static Path documentation() throws IOException {
    for (Path p = Path.of("").toAbsolutePath(); p != null; p = p.getParent()) {
      if (Files.exists(p.resolve("docs/merging.md"))) {
        return p.resolve("docs/merging.md");
      }
    }
    throw new IOException("docs/merging.md is not found above " + Path.of("").toAbsolutePath());
  }

  @Test
  void theRecipeOfTheDocumentation() throws IOException {
    String text = Files.readString(documentation());
    Matcher yaml = Pattern.compile("(?s)```yaml\n(.*?)```").matcher(text);
    assertTrue(yaml.find(), "docs/merging.md has no recipe");
    Path recipe = Files.writeString(folder.resolve("recipe.yaml"), yaml.group(1));
    assertEquals(
        0,
        run("merge", recipe.toString(), "--out", path("out"), "--quiet", "--backend", "reference"),
        err.toString());
    expect("layers.0.mlp.w", 0.2, 0.4, StorageType.BF16);
    expect("layers.1.mlp.w", 0.8, 0.4, StorageType.BF16);
    expect("layers.0.attn.w", 0.5, 0.4, StorageType.BF16);
    expect("norm.w", 0.5, 0.4, StorageType.BF16);
    assertTrue(Files.readString(folder.resolve("out/config.json")).contains("\"bfloat16\""));
  }

  private int recipe(String yaml) throws IOException {
    Path recipe = Files.writeString(folder.resolve("r.yaml"), yaml);
    return run(
        "merge", recipe.toString(), "--out", path("out"), "--quiet", "--backend", "reference");
  }

  @Test
  void recipesOfMergekit() throws IOException {
    String slices =
        """
        slices:
          - sources:
              - model: math
                layer_range: [0, 2]
          - sources:
              - model: code
                layer_range: [1, 2]
        merge_method: passthrough
        dtype: float32
        """;
    assertEquals(0, recipe(slices), err.toString());
    assertTrue(
        Files.readString(folder.resolve("out/config.json")).contains("\"num_hidden_layers\": 3"));
    assertEquals(values("code", "layers.1.mlp.w")[5], values("out", "layers.2.mlp.w")[5]);
    assertEquals(values("math", "embed.weight")[5], values("out", "embed.weight")[5]);
    assertEquals(values("code", "norm.w")[5], values("out", "norm.w")[5]);

    String linear =
        """
        models:
          - {model: math, parameters: {weight: 1}}
          - {model: code, parameters: {weight: 3}}
        merge_method: linear
        """;
    assertEquals(0, recipe(linear), err.toString());
    assertTrue(out.toString().contains("divided by their sum"), out.toString());
    double mean = 0.25 * values("math", "norm.w")[2] + 0.75 * values("code", "norm.w")[2];
    assertEquals((float) mean, values("out", "norm.w")[2]);

    String slerp =
        """
        slices:
          - sources:
              - {model: math, layer_range: [0, 2]}
              - {model: code, layer_range: [0, 2]}
        merge_method: slerp
        base_model: code
        parameters:
          t:
            - filter: mlp
              value: [0, 1]
            - value: 0
        """;
    assertEquals(0, recipe(slerp), err.toString());
    assertEquals(values("code", "layers.0.mlp.w")[5], values("out", "layers.0.mlp.w")[5], 1e-7);
    assertEquals(values("math", "layers.1.mlp.w")[5], values("out", "layers.1.mlp.w")[5], 1e-7);

    String ties =
        """
        models:
          - model: base
          - model: math
            parameters: {density: 0.5, weight: 0.5}
          - model: code
            parameters: {density: [0.5, 0.9], weight: 0.5}
        merge_method: ties
        base_model: base
        parameters: {normalize: true, int8_mask: true, rescale: false}
        dtype: bfloat16
        tokenizer: {source: base}
        """;
    assertEquals(0, recipe(ties), err.toString());
  }

  @Test
  void whatIsNotSupportedIsNamed() throws IOException {
    String[][] wrong = {
      {"merge_method: ram\nmodels: []\n", "there is no merge method 'ram'"},
      {"merge_method: dem\nmodels: []\nmodules: {}\n", "the key 'modules' of the recipe"},
      {"merge_method: linear\nmodels: [{model: math, weigth: 1}]\n", "the key 'weigth' of a model"},
      {
        "merge_method: linear\nmodels: [{model: math, parameters: {density: 1}}]\n",
        "the parameter 'density' is not known to linear"
      },
      {"merge_method: linear\nmodels: [{model: org/name}]\n", "there is no model 'org/name'"},
      {"merge_method: linear\nmodels: [{model: math+lora}]\n", "there is no model 'math+lora'"},
      {
        "merge_method: linear\nmodels: [{model: math}]\ntokenizer_source: union\n", "'union' is not"
      },
      {"merge_method: linear\nmodels: [{model: math}]\ndtype: int8\n", "dtype is 'int8'"},
      {"merge_method: linear\n", "needs either models or slices"},
      {"merge_method: ties\nmodels: [{model: math}]\n", "method ties needs a base"},
      {"- 1\n", "is not a recipe"}
    };
    for (String[] one : wrong) {
      assertEquals(1, recipe(one[0]), one[0]);
      assertEquals(1, err.toString().lines().count(), err.toString());
      assertTrue(err.toString().contains(one[1]), err.toString());
    }
    assertFalse(Files.exists(folder.resolve("out")));
  }

  @Test
  void wrongUsage() {
    String[][] wrong = {
      {"merge", "--out", "o"},
      {"merge", "--method", "magic", "--source", "a", "--out", "o"},
      {"merge", "--method", "dem", "--source", "a=1", "--out", "o"},
      {"merge", "--method", "linear", "--base", "b", "--source", "a=1", "--out", "o"},
      {"merge", "--method", "linear", "--source", "a=x", "--out", "o"},
      {"merge", "--method", "linear", "--source", "a=1", "--out", "o", "--max-memory", "much"},
      {"merge", "r.yaml", "--method", "linear", "--out", "o"},
      {"compare", "a"}
    };
    for (String[] one : wrong) {
      assertEquals(2, run(one), String.join(" ", one));
    }
    assertEquals(1, run(dem("--dtype", "bf16", "--source", path("none") + "=1")));
    assertTrue(err.toString().contains("there is no file"), err.toString());
  }

  @Test
  void comparisons() throws IOException {
    assertEquals(
        0,
        run("compare", path("base"), path("math"), path("code"), "--out", path("cmp")),
        err.toString());
    assertTrue(out.toString().contains("cosines"), out.toString());
    assertTrue(Files.readString(folder.resolve("cmp/report.html")).contains("<rect"));
    byte[] png = Files.readAllBytes(folder.resolve("cmp/cosines.png"));
    assertEquals('P', png[1]);
    assertEquals(0, run("compare", path("base"), path("math"), path("code"), "--json"));
    JsonNode tree = new ObjectMapper().readTree(out.toString());
    assertEquals(1, tree.at("/total/cosines/1/1").asDouble());
    double cosine = tree.at("/total/cosines/0/1").asDouble();
    assertEquals(cosine, tree.at("/total/cosines/1/0").asDouble());
    // Random models share the base alone: their differences have a cosine of about a half.
    assertTrue(cosine > 0.2 && cosine < 0.8, "" + cosine);
    assertEquals(5, tree.get("tensors").size());
  }
}
