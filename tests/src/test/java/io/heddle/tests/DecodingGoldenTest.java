package io.heddle.tests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.heddle.backend.Backend;
import io.heddle.backend.Backends;
import io.heddle.models.AutoModel;
import io.heddle.models.BeamScoring;
import io.heddle.models.BeamSearch;
import io.heddle.models.Decoder;
import io.heddle.models.Hypothesis;
import io.heddle.models.Model;
import io.heddle.models.NextTokenModel;
import io.heddle.models.Sampler;
import io.heddle.models.TokenRules;
import io.heddle.models.Translator;
import io.heddle.tensor.DType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Beam search on tiny models against transformers, which searched one prompt at a time: here all
 * prompts of a case are searched together, though their lengths differ.
 */
class DecodingGoldenTest {
  private static final Path GOLDEN = Repository.root().resolve("tests/golden");

  static Stream<Arguments> cases() throws IOException {
    List<Path> files;
    try (Stream<Path> all = Files.list(GOLDEN.resolve("decoding"))) {
      files = all.sorted().toList();
    }
    return BackendsUnderTest.names()
        .flatMap(b -> files.stream().map(f -> Arguments.of(b, f.getFileName().toString())));
  }

  // The golden file's models prefer the end by this much more than their weights say.
  private record Boosted(NextTokenModel model, int end, float boost) implements NextTokenModel {
    @Override
    public Continuation begin(int[][] prompts, int width, int room) {
      Continuation at = model.begin(prompts, width, room);
      return new Continuation() {
        @Override
        public int rows() {
          return at.rows();
        }

        @Override
        public int vocabulary() {
          return at.vocabulary();
        }

        @Override
        public float[] logits() {
          float[] out = at.logits().clone();
          for (int i = end; i < out.length; i += at.vocabulary()) {
            out[i] += boost;
          }
          return out;
        }

        @Override
        public void append(int[] tokens) {
          at.append(tokens);
        }

        @Override
        public void select(int[] parents) {
          at.select(parents);
        }

        @Override
        public void close() {
          at.close();
        }
      };
    }
  }

  private static int[] ints(JsonNode list) {
    int[] out = new int[list.size()];
    Arrays.setAll(out, i -> list.get(i).asInt());
    return out;
  }

  private static BeamSearch.Options options(JsonNode golden, JsonNode o) {
    int end = golden.path("end").asInt();
    BeamScoring.Stopping stopping =
        switch (o.path("early_stopping").asText("false")) {
          case "true" -> BeamScoring.Stopping.FIRST;
          case "never" -> BeamScoring.Stopping.CERTAIN;
          default -> BeamScoring.Stopping.LIKELY;
        };
    TokenRules rules =
        TokenRules.NONE
            .repetitionPenalty(o.path("repetition_penalty").asDouble(1))
            .noRepeatNgram(o.path("no_repeat_ngram_size").asInt(0))
            .minTokens(o.path("min_new_tokens").asInt(0));
    if (o.path("allowed").asBoolean()) {
      rules =
          rules.allowed(
              (text, tokens) ->
                  IntStream.range(0, 99)
                      .filter(t -> t % 3 == (tokens[tokens.length - 1] + 1) % 3 || t == end)
                      .toArray());
    }
    return new BeamSearch.Options(
        o.path("num_beams").asInt(),
        o.path("num_return_sequences").asInt(1),
        golden.path("max_new_tokens").asInt(),
        Set.of(end),
        rules,
        new BeamScoring.HuggingFace(o.path("length_penalty").asDouble(1), stopping));
  }

  @ParameterizedTest(name = "{1} on {0}")
  @MethodSource("cases")
  void beamsOfTransformers(String backendName, String file) throws IOException {
    JsonNode golden = new ObjectMapper().readTree(GOLDEN.resolve("decoding/" + file).toFile());
    int[][] texts =
        golden.path("prompts").valueStream().map(DecodingGoldenTest::ints).toArray(int[][]::new);
    try (Backend backend = Backends.open(backendName);
        Model model =
            AutoModel.load(GOLDEN.resolve(golden.path("model").asText()), backend, DType.F32)) {
      int compared = 0;
      for (JsonNode c : golden.path("cases")) {
        int[][] prompts = texts;
        NextTokenModel plain;
        if (model instanceof Translator translator) {
          int start = FamilyRun.startToken(translator);
          int[] prefix = c.path("prefix").asBoolean() ? new int[] {start, 7} : new int[] {start};
          prompts = new int[][] {prefix, prefix, prefix};
          plain = translator.over(texts);
        } else {
          plain = (Decoder) model;
        }
        NextTokenModel boosted =
            new Boosted(plain, golden.path("end").asInt(), (float) golden.path("boost").asDouble());
        List<List<Hypothesis>> found = search(golden, c, boosted, prompts);
        for (int p = 0; p < texts.length; p++) {
          compared +=
              compare(
                  file + ", " + c.path("name").asText(), c.path("outputs").get(p), found.get(p));
        }
      }
      assertEquals(117, compared, "continuations compared");
    }
  }

  private static List<List<Hypothesis>> search(
      JsonNode golden, JsonNode c, NextTokenModel model, int[][] prompts) {
    BeamSearch.Options options = options(golden, c.path("options"));
    if (options.beams() > 1) {
      return new BeamSearch(options).search(model, prompts);
    }
    Sampler.Limits limits = new Sampler.Limits(1, options.maxTokens(), options.ends());
    List<List<Hypothesis>> out = new ArrayList<>();
    new Sampler(Sampler.Options.GREEDY)
        .continuations(model, prompts, limits, (text, sample, token) -> true)
        .forEach(h -> out.add(List.of(h)));
    return out;
  }

  private static int compare(String what, JsonNode wanted, List<Hypothesis> found) {
    assertEquals(wanted.size(), found.size(), what);
    for (int i = 0; i < found.size(); i++) {
      assertArrayEquals(ints(wanted.get(i).path("tokens")), found.get(i).tokens(), what);
      if (wanted.get(i).path("score").isNumber()) {
        double score = wanted.get(i).path("score").asDouble();
        assertEquals(score, found.get(i).score(), 1e-4 * Math.max(1, Math.abs(score)), what);
      }
    }
    return found.size();
  }

  static Stream<Arguments> writers() {
    return BackendsUnderTest.names()
        .flatMap(
            b ->
                Stream.of(
                        "opt",
                        "gpt_neox",
                        "gptj",
                        "bloom",
                        "mistral",
                        "qwen3",
                        "gemma2",
                        "xglm",
                        "gpt_bigcode",
                        "starcoder2",
                        "marian",
                        "pegasus",
                        "mbart",
                        "bart",
                        "t5",
                        "flan_t5")
                    .map(f -> Arguments.of(b, f)));
  }

  /** Rows of a batch, padded, spread, exchanged and dropped, see what they would see alone. */
  @ParameterizedTest(name = "{1} on {0}")
  @MethodSource("writers")
  void rowsSeeTheirOwnTextOnly(String backendName, String family) throws IOException {
    int[][] texts = {{5, 6, 7}, {8, 9, 10, 11, 12, 13, 14, 15, 16}, {17}, {18, 19, 20, 21, 22}};
    try (Backend backend = Backends.open(backendName);
        Model model =
            AutoModel.load(GOLDEN.resolve("families").resolve(family), backend, DType.F32)) {
      boolean source = model instanceof Translator;
      int[][] prompts = source ? new int[][] {{3}, {4, 5}, {3, 6, 7}, {3}} : texts;
      NextTokenModel.Continuation at = over(model, texts).begin(prompts, 3, 12);
      try (at) {
        List<int[]> rows = new ArrayList<>(List.of(prompts)); // what each row has read
        List<Integer> of = new ArrayList<>(List.of(0, 1, 2, 3)); // and its source
        int[][] moves = {
          {0, 0, 1, 1, 2, 2, 3, 3},
          {1, 0, 2, 2, 5, 4, 6, 6},
          {1, 0, 0, 4, 5, 5, 7, 6, 6}, // the second source ends
          {0, 2, 1, 3, 3, 4, 8, 7, 6},
          {3, 7} // one row each, of the last two sources
        };
        int token = 30;
        for (int[] move : moves) {
          at.select(move);
          List<int[]> nextRows = new ArrayList<>();
          List<Integer> nextOf = new ArrayList<>();
          for (int parent : move) {
            int[] text = rows.get(parent);
            int[] longer = Arrays.copyOf(text, text.length + 1);
            longer[text.length] = token++;
            nextRows.add(longer);
            nextOf.add(of.get(parent));
          }
          rows = nextRows;
          of = nextOf;
          at.append(rows.stream().mapToInt(r -> r[r.length - 1]).toArray());
          check(model, texts, rows, of, at);
        }
      }
    }
  }

  private static NextTokenModel over(Model model, int[][] sources) {
    return model instanceof Translator translator ? translator.over(sources) : (Decoder) model;
  }

  private static void check(
      Model model,
      int[][] texts,
      List<int[]> rows,
      List<Integer> of,
      NextTokenModel.Continuation at) {
    float[] logits = at.logits();
    int v = at.vocabulary();
    for (int r = 0; r < rows.size(); r++) {
      int[][] source = {texts[of.get(r)]};
      float[] alone;
      try (NextTokenModel.Continuation one =
          over(model, source).begin(new int[][] {rows.get(r)}, 1, 1)) {
        alone = one.logits();
      }
      for (int i = 0; i < v; i++) {
        double error = Math.abs(alone[i] - (double) logits[r * v + i]);
        assertTrue(
            error <= 2e-4 * Math.max(1, Math.abs(alone[i])),
            "row " + r + ", token " + i + ": " + error);
      }
    }
  }
}
