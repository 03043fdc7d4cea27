package io.heddle.methods.finetune;

import io.heddle.autograd.Tape;
import io.heddle.data.FixedBucketSampler;
import io.heddle.metrics.Bleu;
import io.heddle.metrics.BleuScore;
import io.heddle.metrics.Tally;
import io.heddle.models.BeamScoring;
import io.heddle.models.BeamSearch;
import io.heddle.models.Hypothesis;
import io.heddle.models.SequenceToSequence;
import io.heddle.models.Translators.Marks;
import io.heddle.nn.Parameters;
import io.heddle.op.Losses;
import io.heddle.progress.ProgressListener;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import io.heddle.text.Tokenizer;
import io.heddle.train.Objective;
import io.heddle.train.RunDirectory;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.LongFunction;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Translation by an encoder-decoder: a Transformer (Vaswani et al. 2017), GNMT. The development
 * part is translated greedily; the test part once, at the end, greedily and by beam search. BLEU is
 * sacreBLEU's on whole lines of text.
 */
public final class Translation implements FinetuneRun.Task<Translation.Batch> {
  private final String title;
  private final SequenceToSequence model;
  private final Tokenizer tokenizer;
  private final Parts parts;
  private final Setting setting;
  private final FixedBucketSampler sampler;
  private long epoch = -1;
  private List<int[]> batches = List.of();
  private List<String> tested = List.of();

  /**
   * The data.
   *
   * @param train to learn from
   * @param dev to stop and choose by, or null
   * @param test translated at the end, or null
   */
  public record Parts(
      TranslateData train, @Nullable TranslateData dev, @Nullable TranslateData test) {}

  /**
   * How to learn and how to translate.
   *
   * @param tokens of a side of a batch, about; 0 for {@code rows} pairs
   * @param rows pairs of a batch where it is not measured in tokens
   * @param smoothing label smoothing
   * @param seed of the order
   * @param decoding of the test part
   */
  public record Setting(int tokens, int rows, float smoothing, long seed, Decoding decoding) {}

  /**
   * How to look for a translation. Scores are GluonNLP's; see {@link BeamScoring.Normalised}.
   *
   * @param beams followed at once; 1 is greedy
   * @param alpha of the length penalty
   * @param k of the length penalty
   * @param rows sources at once
   */
  public record Decoding(int beams, double alpha, double k, int rows) {
    /** The same, greedy. */
    public Decoding greedy() {
      return new Decoding(1, alpha, k, rows);
    }
  }

  /**
   * A batch.
   *
   * @param source tokens [B][S]
   * @param mask 0 for padding of the source; null for none
   * @param input of the decoder [B][T]
   * @param targets [B*T]: the next tokens, {@link Losses#IGNORE} after the end
   */
  @SuppressWarnings("ArrayRecordComponent") // as the model takes them; never compared
  public record Batch(int[][] source, int @Nullable [][] mask, int[][] input, int[] targets) {
    long count() {
      return Losses.scored(targets);
    }
  }

  /** A task. */
  public Translation(
      String title, SequenceToSequence model, Tokenizer tokenizer, Parts parts, Setting setting) {
    this.title = title;
    this.model = model;
    this.tokenizer = tokenizer;
    this.parts = parts;
    this.setting = setting;
    this.sampler = parts.train.sampler(setting.tokens, setting.rows, setting.seed);
  }

  @Override
  public String title() {
    return title;
  }

  /** Batches of an epoch. */
  public int batchesPerEpoch() {
    return sampler.size();
  }

  @Override
  public Parameters parameters() {
    return model.parameters();
  }

  /** The model. */
  SequenceToSequence model() {
    return model;
  }

  /** The data. */
  Parts parts() {
    return parts;
  }

  /** The settings. */
  Setting setting() {
    return setting;
  }

  /** What the test part has been translated as by beam search; empty before. */
  List<String> tested() {
    return tested;
  }

  @Override
  public LongFunction<Batch> batches() {
    return number -> {
      long wanted = number / sampler.size();
      if (wanted != epoch) {
        batches = sampler.epoch(wanted);
        epoch = wanted;
      }
      return parts.train.batch(batches.get((int) (number % sampler.size())));
    };
  }

  @Override
  public Objective<Batch> objective() {
    return (t, batch, gradScale) -> {
      long n = batch.count();
      double sum = loss(t, model, batch, setting.smoothing, gradScale / Math.max(1, n));
      return new Objective.Loss(sum, n);
    };
  }

  private static double loss(
      Tape t, SequenceToSequence model, Batch batch, float smoothing, float gradScale) {
    Tensor hidden = model.hidden(t, batch.source, batch.mask, batch.input);
    Tensor targets = t.tensor(DType.I32, batch.targets.length).copyFrom(batch.targets);
    return Losses.sum(model.losses(t, hidden, targets, smoothing, gradScale));
  }

  /** The mean cross-entropy of target tokens in nats, without smoothing. */
  double loss(TranslateData data) {
    double sum = 0;
    long count = 0;
    for (int[] indices : data.sampler(setting.tokens, setting.rows, 0).epoch(0)) {
      Batch batch = data.batch(indices);
      try (Tape t = Tape.inference(model.parameters().backend())) {
        sum += loss(t, model, batch, 0, 0);
      }
      count += batch.count();
    }
    return sum / count;
  }

  /**
   * Translations of sources.
   *
   * @param sources ids with the end
   * @return texts, in the order of the sources
   */
  public static List<String> translate(
      SequenceToSequence model,
      Tokenizer tokenizer,
      int[][] sources,
      Marks marks,
      Decoding decoding,
      ProgressListener progress) {
    List<Integer> order =
        IntStream.range(0, sources.length)
            .boxed()
            .sorted(Comparator.comparingInt(i -> sources[i].length))
            .toList();
    BeamScoring scoring = new BeamScoring.Normalised(decoding.alpha, decoding.k);
    int longest = model.context() - 1;
    BeamSearch search =
        new BeamSearch(
            BeamSearch.Options.of(decoding.beams, longest, Set.of(marks.end()), scoring));
    String[] out = new String[sources.length];
    progress.begin("translate", sources.length, "text");
    for (int from = 0; from < out.length; from += decoding.rows) {
      List<Integer> some = order.subList(from, Math.min(from + decoding.rows, out.length));
      int[][] batch = some.stream().map(i -> sources[i]).toArray(int[][]::new);
      int[][] prompts = new int[batch.length][];
      Arrays.fill(prompts, new int[] {marks.start()});
      int[] limits = Arrays.stream(batch).mapToInt(s -> limit(s.length, longest)).toArray();
      List<List<Hypothesis>> found = search.search(model.over(batch), prompts, limits);
      for (int i = 0; i < batch.length; i++) {
        int[] tokens = found.get(i).getFirst().tokens();
        int[] text = Arrays.stream(tokens).filter(token -> token != marks.end()).toArray();
        out[some.get(i)] = tokenizer.decode(text);
      }
      progress.advance(from + batch.length, "");
    }
    progress.end("");
    return List.of(out);
  }

  // A translation is seldom half as long again as its source.
  private static int limit(int source, int longest) {
    return Math.min(longest, source + source / 2 + 10);
  }

  /** BLEU of translations; the tally has score and signature. */
  static Tally<BleuScore> bleu(TranslateData data, List<String> translations) {
    Tally<BleuScore> tally = new Tally<>(Bleu.standard());
    for (int i = 0; i < translations.size(); i++) {
      tally.add(translations.get(i), List.of(data.texts().get(i).target()));
    }
    return tally;
  }

  private List<String> translated(
      TranslateData data, Decoding decoding, ProgressListener progress) {
    return translate(model, tokenizer, data.sources(), data.marks(), decoding, progress);
  }

  @Override
  public Map<String, Double> measure(ProgressListener progress) {
    TranslateData dev = parts.dev;
    if (dev == null) {
      return Map.of();
    }
    Map<String, Double> out = new LinkedHashMap<>();
    List<String> found = translated(dev, setting.decoding.greedy(), progress);
    out.put("bleu", bleu(dev, found).score().value());
    out.put("loss", loss(dev));
    return out;
  }

  @Override
  public Map<String, Double> test(ProgressListener progress) {
    TranslateData test = parts.test;
    if (test == null) {
      return Map.of();
    }
    Map<String, Double> out = new LinkedHashMap<>();
    tested = translated(test, setting.decoding, progress);
    out.put("bleu", bleu(test, tested).score().value());
    List<String> greedy = translated(test, setting.decoding.greedy(), progress);
    out.put("bleu_greedy", bleu(test, greedy).score().value());
    out.put("loss", loss(test));
    return out;
  }

  @Override
  public void save(Path folder) throws IOException {
    model.save(folder);
    tokenizer.save(folder);
  }

  @Override
  public void report(RunDirectory run, Map<String, Double> measures) throws IOException {
    TranslateReport.write(run, this, measures);
  }
}
