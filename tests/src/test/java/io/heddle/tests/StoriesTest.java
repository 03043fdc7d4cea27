package io.heddle.tests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.heddle.autograd.Tape;
import io.heddle.backend.Backend;
import io.heddle.backend.BackendOptions;
import io.heddle.backend.Backends;
import io.heddle.binding.Door;
import io.heddle.binding.cpu.CpuBackend;
import io.heddle.models.Decoder;
import io.heddle.models.ModelFolder;
import io.heddle.models.Sampler;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import io.heddle.text.ScoredBpe;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Karpathy's stories260K, from the file to the text, against NumPy in f64. */
class StoriesTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  static Stream<String> backends() {
    return BackendsUnderTest.names()
        .flatMap(
            b -> b.equals("cpu") ? Stream.of("cpu over javacpp", "cpu over ffm") : Stream.of(b));
  }

  private static Backend open(String name) {
    return name.startsWith("cpu over ")
        ? new CpuBackend(Door.open(name.substring("cpu over ".length())), BackendOptions.DEFAULT)
        : Backends.open(name);
  }

  private static List<JsonNode> cases(Path folder) throws IOException {
    List<JsonNode> cases = new ArrayList<>();
    for (String line : Files.readAllLines(folder.resolve("cases.jsonl"))) {
      cases.add(JSON.readTree(line));
    }
    assertEquals(6, cases.size());
    return cases;
  }

  private static int[] ints(JsonNode array) {
    int[] out = new int[array.size()];
    Arrays.setAll(out, i -> array.get(i).asInt());
    return out;
  }

  @ParameterizedTest
  @MethodSource("backends")
  void logitsLikelihoodAndGreedyText(String name) throws IOException {
    Path folder = Repository.data("tiny-model-stories260k");
    try (Backend backend = open(name)) {
      try (Decoder model =
          ModelFolder.load(folder.resolve("stories260K.safetensors"), backend, DType.F32)) {
        for (JsonNode c : cases(folder)) {
          check(model, c);
        }
      }
    }
  }

  private static void check(Decoder model, JsonNode c) {
    int[] prompt = ints(c.get("prompt_ids"));
    String what = "prompt '" + c.get("prompt").asText() + "'";
    try (Tape t = Tape.inference(model.backend())) {
      Tensor hidden = model.hidden(t, t.tensor(DType.I32, prompt.length).copyFrom(prompt), 1, null);
      double[] logits = model.logits(t, hidden).toDoubles();
      int v = logits.length / prompt.length;
      double[] last = Arrays.copyOfRange(logits, logits.length - v, logits.length);
      if (c.has("last_logits")) {
        double[] expected = new double[v];
        Arrays.setAll(expected, i -> c.get("last_logits").get(i).asDouble());
        Lab.close(what + " logits", expected, last, 2e-5);
      }
      for (JsonNode top : c.get("last_logits_top8")) {
        assertEquals(
            top.get(1).asDouble(), last[top.get(0).asInt()], 5e-4, what + " logit " + top.get(0));
      }
      double nll = 0;
      for (int i = 1; i < prompt.length; i++) {
        double[] row = Arrays.copyOfRange(logits, (i - 1) * v, i * v);
        double max = Arrays.stream(row).max().orElseThrow();
        nll +=
            max + Math.log(Arrays.stream(row).map(x -> Math.exp(x - max)).sum()) - row[prompt[i]];
      }
      assertEquals(c.get("prompt_nll").asDouble(), nll, 2e-5 * Math.max(1, nll), what);
    }
    int[] expected = ints(c.get("greedy_ids"));
    int[] out =
        new Sampler(Sampler.Options.GREEDY)
            .generate(model, prompt, expected.length - prompt.length, token -> true);
    assertArrayEquals(expected, out, what);
  }

  @Test
  void textsAndTokens() throws IOException {
    Path folder = Repository.data("tiny-model-stories260k");
    ScoredBpe tokenizer = ScoredBpe.load(folder.resolve("tok512.bin"));
    assertEquals(512, tokenizer.vocabularySize());
    for (JsonNode c : cases(folder)) {
      String prompt = c.get("prompt").asText();
      int[] ids = tokenizer.encode(prompt);
      int[] begun = new int[ids.length + 1];
      begun[0] = ScoredBpe.BEGIN;
      System.arraycopy(ids, 0, begun, 1, ids.length);
      assertArrayEquals(ints(c.get("prompt_ids")), begun, prompt);
      String text =
          new String(tokenizer.decodeBytes(ints(c.get("greedy_ids"))), StandardCharsets.UTF_8);
      assertEquals(c.get("greedy_text").asText(), text);
    }
  }
}
