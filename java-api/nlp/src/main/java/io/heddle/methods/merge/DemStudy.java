package io.heddle.methods.merge;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.heddle.backend.Backend;
import io.heddle.data.Document;
import io.heddle.data.TokenBatch;
import io.heddle.data.WordNetText;
import io.heddle.methods.lm.LanguageModeling;
import io.heddle.methods.lm.LmConfig;
import io.heddle.methods.lm.LmData;
import io.heddle.methods.lm.LmRun;
import io.heddle.models.Decoder;
import io.heddle.models.ModelConfig;
import io.heddle.models.ModelFolder;
import io.heddle.models.Sampler;
import io.heddle.progress.ProgressListener;
import io.heddle.tensor.DType;
import io.heddle.text.BpeTrainer;
import io.heddle.text.Tokenizer;
import io.heddle.text.Tokenizers;
import io.heddle.train.RunDirectory;
import io.heddle.train.TrainConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The embedded study: a mixed-attention language model on WordNet's English beside its
 * full-attention twin; two fine-tuned descendants on two different distributions; their merge as a
 * Distribution Edited Model beside every baseline. Each stage has a run directory, so an
 * interrupted study goes on where it was.
 */
public final class DemStudy {
  private static final String[] GENERAL = {"adj", "adv", "noun.a", "noun.c", "noun.p", "noun.s"};
  private static final String[] NATURE = {"noun.animal", "noun.plant"};
  private static final String[] VERBS = {"verb"};
  static final String SCHEDULE = "window:32,full@0";
  static final int LAYERS = 4;
  static final int HEADS = 4;
  static final int LENGTH = 256;
  private static final int ROWS = 16;
  private static final int GENERAL_CHARACTERS = 3_000_000;
  private static final int VALIDATION_CHARACTERS = 30_000;
  private static final int TEST_CHARACTERS = 60_000;

  private final Settings settings;
  private final Backend backend;
  private final Path root;
  private final ProgressListener progress;
  private volatile @Nullable LmRun running;
  private volatile boolean stopped;

  /**
   * Sizes of the study.
   *
   * @param baseSteps steps of the base and of its twin
   * @param tuneSteps steps of each fine-tuning; the data-mixing baseline gets as many as both
   *     together
   * @param seed of everything random
   */
  public record Settings(long baseSteps, long tuneSteps, long seed) {
    /** What {@code heddle quickstart} runs. */
    public static final Settings DEFAULT = new Settings(250, 80, 1);
  }

  /** A distribution of text, in three disjoint parts. */
  private record Source(
      String name,
      LmData data,
      List<TokenBatch> validation,
      List<TokenBatch> test,
      long testBytes) {}

  /**
   * One row of the table.
   *
   * @param model what it is
   * @param perplexities on the test text of each distribution
   */
  public record Row(String model, List<Double> perplexities) {}

  /**
   * What the study found.
   *
   * @param distributions names of the columns
   * @param rows models and their perplexities
   * @param unigram perplexity of predicting by frequency alone, per distribution
   * @param weights the chosen merge weights
   * @param evaluations candidates that the search looked at
   * @param samples sentences drawn from the merged model
   */
  public record Findings(
      List<String> distributions,
      List<Row> rows,
      List<Double> unigram,
      List<Double> weights,
      int evaluations,
      List<String> samples) {}

  /** A study in {@code root}. */
  public DemStudy(Settings settings, Backend backend, Path root, ProgressListener progress) {
    this.settings = settings;
    this.backend = backend;
    this.root = root;
    this.progress = progress;
  }

  /** Asks {@link #run} to save its state and return. */
  public void stop() {
    stopped = true;
    LmRun now = running;
    if (now != null) {
      now.stop();
    }
  }

  /** Runs all stages that are not done; null when it was asked to stop. */
  public @Nullable Findings run() throws IOException {
    RunDirectory directory = new RunDirectory(root);
    ObjectNode config = RunDirectory.object().put("base_steps", settings.baseSteps());
    directory.begin(config.put("tune_steps", settings.tuneSteps()).put("seed", settings.seed()));
    WordNetText wordNet = WordNetText.load();
    Tokenizer tokenizer = tokenizer(wordNet);
    Source general = source("general", wordNet, tokenizer, GENERAL_CHARACTERS, GENERAL);
    Source nature = source("nature", wordNet, tokenizer, Integer.MAX_VALUE, NATURE);
    Source verbs = source("verbs", wordNet, tokenizer, Integer.MAX_VALUE, VERBS);
    Source mixed = mix(tokenizer, wordNet);
    Path base = stage("base", general, SCHEDULE, null, settings.baseSteps());
    Path twin = stage("twin", general, "full", null, settings.baseSteps());
    Path first =
        base == null ? null : stage("tune-nature", nature, SCHEDULE, base, settings.tuneSteps());
    Path second =
        base == null ? null : stage("tune-verbs", verbs, SCHEDULE, base, settings.tuneSteps());
    Path both =
        base == null ? null : stage("tune-mixed", mixed, SCHEDULE, base, 2 * settings.tuneSteps());
    if (base == null || twin == null || first == null || second == null || both == null) {
      return null;
    }
    Findings findings =
        compare(
            List.of(general, nature, verbs), List.of(base, twin, first, second, both), tokenizer);
    DemReport.write(root, findings);
    return findings;
  }

  private Tokenizer tokenizer(WordNetText wordNet) throws IOException {
    Path folder = root.resolve("tokenizer");
    if (Files.exists(folder.resolve("tokenizer_config.json"))) {
      return Tokenizers.load(folder);
    }
    Tokenizer trained =
        new BpeTrainer(2048, progress).add(wordNet.text(WordNetText.Part.TRAIN, "")).train();
    trained.save(folder);
    return trained;
  }

  private static String cut(String text, int characters) {
    return text.length() <= characters
        ? text
        : text.substring(0, text.indexOf('\n', characters) + 1);
  }

  private static Source source(
      String name, WordNetText wordNet, Tokenizer tokenizer, int characters, String... topics) {
    Document train =
        new Document(name, cut(wordNet.text(WordNetText.Part.TRAIN, topics), characters));
    Document validation =
        new Document(
            name, cut(wordNet.text(WordNetText.Part.VALIDATION, topics), VALIDATION_CHARACTERS));
    Document test =
        new Document(name, cut(wordNet.text(WordNetText.Part.TEST, topics), TEST_CHARACTERS));
    return source(name, tokenizer, train, validation, test);
  }

  private static Source source(
      String name, Tokenizer tokenizer, Document train, Document validation, Document test) {
    LmData data = LmData.of(tokenizer, List.of(train), List.of(validation));
    LmData tested = LmData.of(tokenizer, List.of(), List.of(test));
    return new Source(
        name,
        data,
        data.heldBatches(LENGTH, LENGTH, ROWS),
        tested.heldBatches(LENGTH, LENGTH / 2, ROWS),
        tested.heldBytes());
  }

  // The data-mixing baseline: both sources concatenated, line by line in a random but fixed order.
  private static Source mix(Tokenizer tokenizer, WordNetText wordNet) {
    String[] topics = {NATURE[0], NATURE[1], VERBS[0]};
    return source("mixed", wordNet, tokenizer, Integer.MAX_VALUE, topics);
  }

  private @Nullable Path stage(
      String name, Source source, String schedule, @Nullable Path start, long steps)
      throws IOException {
    Path folder = root.resolve(name);
    Path model = folder.resolve("model");
    if (Files.exists(folder.resolve("result.json"))) {
      return model;
    }
    if (stopped) {
      return null;
    }
    ModelConfig shape =
        ModelConfig.llama(
            source.data.tokenizer().vocabularySize(),
            128,
            LAYERS,
            HEADS,
            HEADS,
            352,
            LENGTH,
            schedule);
    float rate = start == null ? 4e-3f : 1e-3f;
    TrainConfig loop =
        TrainConfig.of(steps, rate, settings.seed())
            .every(Math.max(1, steps / 5), Math.max(1, steps / 4));
    RunDirectory directory = new RunDirectory(folder);
    directory.begin(
        RunDirectory.object().put("stage", name).put("steps", steps).put("seed", settings.seed()));
    LmRun run =
        new LmRun(
            new LmConfig(shape, DType.F32, loop, LENGTH, ROWS, 0, LENGTH),
            source.data,
            backend,
            directory,
            progress);
    running = run;
    LmRun.Outcome outcome = run.run(name, start);
    running = null;
    return outcome.finished() ? model : null;
  }

  private Findings compare(List<Source> sources, List<Path> folders, Tokenizer tokenizer) {
    List<Decoder> models = new ArrayList<>();
    try {
      for (Path folder : folders) {
        models.add(ModelFolder.load(folder, backend, DType.F32));
      }
      Decoder scratch = ModelFolder.load(folders.get(0), backend, DType.F32);
      models.add(scratch);
      ModelSum sum = new ModelSum(models.get(0), models.subList(2, 4), scratch);
      List<Row> rows = new ArrayList<>();
      String[] names = {
        "base, mixed attention",
        "base, full attention",
        "fine-tuned on nature",
        "fine-tuned on verbs",
        "data mixing, as many steps as both"
      };
      for (int i = 0; i < names.length; i++) {
        rows.add(row(names[i], models.get(i), sources));
      }
      rows.add(row("uniform average", sum.form(0.5, 0.5), sources));
      CoefficientSearch search =
          new CoefficientSearch(
              w ->
                  validation(sum.form(w), sources.get(1))
                      + validation(sum.form(w), sources.get(2)));
      double[] weights = search.run(2, new double[] {0.4, 0.6, 0.8, 1.0}, 0.2);
      Decoder merged = sum.form(weights);
      rows.add(row("DEM, w = " + Arrays.toString(weights), merged, sources));
      ModelFolder.save(
          merged, root.resolve("dem"), Map.of("heddle.weights", Arrays.toString(weights)));
      tokenizer.save(root.resolve("dem"));
      List<Double> unigram = sources.stream().map(s -> Math.exp(s.data.unigramNats())).toList();
      return new Findings(
          sources.stream().map(Source::name).toList(),
          rows,
          unigram,
          Arrays.stream(weights).boxed().toList(),
          search.evaluations(),
          samples(merged, tokenizer));
    } catch (IOException e) {
      throw new java.io.UncheckedIOException(
          "cannot write the merged model to " + root.resolve("dem"), e);
    } finally {
      models.forEach(Decoder::close);
    }
  }

  private double validation(Decoder model, Source source) {
    return LanguageModeling.evaluate(model, source.validation, 1, ProgressListener.NONE).loss();
  }

  private Row row(String name, Decoder model, List<Source> sources) {
    List<Double> perplexities = new ArrayList<>();
    for (Source source : sources) {
      perplexities.add(
          LanguageModeling.evaluate(model, source.test, source.testBytes, ProgressListener.NONE)
              .perplexity());
    }
    return new Row(name, perplexities);
  }

  private List<String> samples(Decoder model, Tokenizer tokenizer) {
    Map<String, String> out = new LinkedHashMap<>();
    int newline = tokenizer.encode("\n")[0];
    for (String prompt : new String[] {"oak:", "wolf:", "to run:", "river:"}) {
      int[] ids = tokenizer.encode("\n" + prompt);
      int[] all =
          new Sampler(new Sampler.Options(0.7, 40, 0.95, settings.seed()))
              .generate(model, ids, 48, id -> id != newline);
      out.put(prompt, tokenizer.decode(all).strip());
    }
    return List.copyOf(out.values());
  }
}
